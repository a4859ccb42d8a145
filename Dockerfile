# docker build -t deqviz .            for a machine without a GPU
# docker build -t deqviz --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
FROM python:3.11-slim

# torch from PyPI brings gigabytes of CUDA; its own index has a build for processors alone.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --create-home --uid 10001 deqviz
WORKDIR /srv/deqviz

# What changes rarely comes first, so that a change of the app builds in seconds.
COPY requirements.txt ./
RUN pip install "$(grep '^torch==' requirements.txt)" --index-url "$TORCH_INDEX" \
    && grep -v -e '^-e' requirements.txt > /tmp/pins.txt && pip install -r /tmp/pins.txt && rm /tmp/pins.txt

COPY pyproject.toml README.md LICENSE CITATION.cff app.py ./
COPY .streamlit .streamlit
COPY assets assets
COPY pretrained pretrained
COPY deqviz deqviz
# The charts' script is written beside the component once, here, because the guest below may write nothing.
RUN pip install --no-deps -e . \
    && python -c "from deqviz.ui.components.run.assets import plotly_script; assert plotly_script()"

USER deqviz
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=40s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
ENTRYPOINT ["deqviz", "app", "--server.address=0.0.0.0", "--server.port=8501"]
