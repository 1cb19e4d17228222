"""Fakes whose truth is known, for this package's tests and for anyone's.

`clock.FakeClock` is time as a variable; `config.SimConfig` says how a simulated provider answers,
`process.start_simulator` and `server.serve` run it, `sendlog` holds when it sent what, and
`model.draw` makes records of it without network or clock. `conformance.check_decoder` holds a
decoder to what every decoder must do.
"""
