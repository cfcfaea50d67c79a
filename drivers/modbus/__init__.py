"""A Modbus master of our own, sans-I/O: `pdu` what is said, `rtu` and `tcp` how it is framed, `maps` where things lie
in a device, `counters` how passes are told from registers, `watch` what a reading means, `polling` what is asked.

It only ever reads. Nothing here builds a request that writes.
"""
