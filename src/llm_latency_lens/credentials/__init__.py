"""Who one is to a cloud: keys and tokens, found before a run and renewed beside it.

Each module has one function that asks its cloud's own library, and gives an identity: something
with an `authorize` (see `request.Authorize`), the `secrets` that must never be kept, and a `close`.
"""
