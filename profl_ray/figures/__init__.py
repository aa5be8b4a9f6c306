"""Pictures of runs, with matplotlib; who imports this room does so when a picture is drawn."""
