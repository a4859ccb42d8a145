"""The app: everything that knows Streamlit, Plotly or a browser."""
