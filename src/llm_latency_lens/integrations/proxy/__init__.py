"""A reverse proxy that measures what it passes on: `latency-lens proxy --upstream URL`.

    heads, bodies   HTTP/1.1's framing, pure: what a head says, where a body ends
    outlet          bytes out of a socket, as fast as the other side takes them
    upstream        the way to the server: address, connections, those that wait for a request
    exchange        one request and its answer, on their way through
    client          one client's connection: its requests one after the other
    gate            listens, and lets everything come to an end
    added           how late the proxy itself was
    keeper          another process, which understands the calls and keeps them as a run
    keeping         this side of it
    program         all of it, from the address to the run

Bytes are passed on before anything is noted, and nothing is understood here: a call goes to the
keeper when it has ended. Keys go there too, for only who knows them can blank them: so it goes
through a pipe, never through a file.
"""
