"""A Modbus master of our own, sans-I/O: `pdu` what is said, `rtu` and `tcp` how it is framed, `maps` where things lie
in a device, `watch` what a reading means (counters: `drivers.counter`), `polling` what is asked.

It only ever reads. Nothing here builds a request that writes.
"""
