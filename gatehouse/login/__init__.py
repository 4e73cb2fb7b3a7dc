"""The one login funnel: methods prove, gates refuse, sessions are opened here and nowhere else."""
