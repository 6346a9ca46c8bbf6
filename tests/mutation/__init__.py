"""Takes every guard away in turn and sees whether the tests notice: a permission, a check, a filter by customer.

`finding` reads the guards off the source, `applying` plants one mutant in a running process, `covering` learns which
test walks over which line, `judging` lets the tests loose on each mutant in a process of its own, `declarations` does
what routes declare they need. `scripts/mutate_guards` runs it all and lists who survived.
"""
