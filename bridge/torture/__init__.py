"""The crash test: injects faults into a bridge under load and accounts for every event.

`plan` divides the time, `scenarios` defines the project, `resources` creates the `environment`, and
`run` goes through the phases: load with `faults`, drain, stop. `accounting` then compares the
events that `load` sent, the rows of the store, and the starts that `faulty_platform`, a separate
process, recorded. `certificate` is the result.
"""
