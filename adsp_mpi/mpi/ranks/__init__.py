"""The ranks of a job: who they are, one clock, waiting, and the end of a job."""
