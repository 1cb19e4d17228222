"""The lens around a whole program: `latency-lens run -- python app.py`.

    startup/sitecustomize.py   runs first in each Python that the program starts
    child                      there: taps the stacks, and sends each call when it has ended
    wire                       a call as bytes on the socket between the two
    program                    here: starts the program, takes the calls, keeps them as a run

Keys come with a call, for only who knows them can blank them: so a call goes through a socket,
never through a file. `child` and `wire` import nothing but the standard library.
"""
