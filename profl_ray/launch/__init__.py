"""What stands around our commands on a machine or a cluster: a local head, a job, the MLflow UI.

Only `jobs` and `upload` know Ray, through its job client; all else starts the command lines of Ray and MLflow
as child processes, and sees to it that every process it starts is gone when it is done.
"""
