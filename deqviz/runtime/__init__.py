"""What runs and is watched: jobs, studies, the worker that runs them in turn; no Streamlit in here."""
