"""RPC to real Backend.AI agents, plain and CURVE (``reference/agent-rpc.md``).

The wire protocol is spoken with pyzmq and msgpack alone, not with the library ``callosum``: that
one hangs for good on a reply it cannot read, says the same of a wrong key and of a dead host,
leaves the serializer, its pickles and all time-outs to its user, and needs a package that comes
without a wheel. What is left of it is one request and one reply on a connection of its own.
"""
