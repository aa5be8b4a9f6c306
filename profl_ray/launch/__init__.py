"""Start and end what the demo needs, as child processes: a local Ray head, one job, the MLflow UI.

Nothing here imports ray or mlflow: their own command lines do the work, and this room sees to it that
every process it starts is gone when it is done.
"""
