"""The SDK lens: calls that other people's code makes, measured where it reads its sockets.

    instrument, watch    watching     what a user calls
    taps                 httpx_tap, aiohttp_tap, http_client_tap: one a network stack
    Call                 call         one HTTP exchange as captured: stamps and bytes
    understood           understand   a call as a timeline, once somebody asks

What runs inside a call (`call`, `stamped`, `sites`, `recognise`, `patches`, the taps) imports
nothing but the standard library: it is loaded into programs whose environment has nothing else.
"""
