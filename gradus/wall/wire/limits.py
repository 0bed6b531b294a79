"""How large a message may be. Imports no torch."""

MAX_HEAD = 8 << 20  # bytes of JSON
MAX_BODY = 512 << 20  # bytes of all tensors of a message
MAX_ORIGIN = 500  # characters that tell which line made a tensor
MAX_DEPTH = 40  # of nested containers
MAX_DIMS = 64
MAX_SIZE = 1 << 40  # of one dim
MAX_DIGITS = 20_000  # of a number beyond 64 bits, hexadecimal
