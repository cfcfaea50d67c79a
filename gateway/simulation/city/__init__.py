"""A city to test against: sites, people and days, the records that their gateways would make, and the truth.

    settings   how large, how long, which seed, how disturbed
    layout     sites, zones, lanes, gateways, read points on wheels
    people     who there is, with which cards, bound to whom from when
    plans      where somebody wants to be on a day
    walk       everybody through the lanes, in the order of time: crossings and true stays
    troubles   what breaks: networks, gateways, clocks, sensors, journals
    box        one gateway: crossings into events, through the product's own pairing and encoder, into lines
    deliveries what arrives at the centre and when
    truth      what really happened, its questions, and a comparison with the answers of somebody else

The truth comes from the walk alone and never from a record. `build.build` makes a small city in memory,
`benchmarks/city.py` a large one on disk.
"""
