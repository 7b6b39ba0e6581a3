"""The ranks of a job: their roles, one clock, waiting, liveness, and the end of the job."""
