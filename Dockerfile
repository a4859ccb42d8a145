# docker build -t deqviz .            for a machine without a GPU
# docker build -t deqviz --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
FROM python:3.11-slim AS wheel
COPY . /src
RUN pip wheel --no-deps --wheel-dir /dist /src

FROM python:3.11-slim

# torch from PyPI brings gigabytes of CUDA; its own index has a build for processors alone.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --create-home --uid 10001 deqviz

# What changes rarely comes first, so that a change of the app builds in seconds.
COPY requirements.txt /tmp/
RUN pip install "$(grep '^torch==' /tmp/requirements.txt)" --index-url "$TORCH_INDEX" \
    && grep -v -e '^-e' /tmp/requirements.txt > /tmp/pins.txt && pip install -r /tmp/pins.txt && rm /tmp/*.txt

# The guest below may write nothing of it.
COPY --from=wheel /dist /tmp/dist
RUN pip install --no-deps /tmp/dist/*.whl && rm -r /tmp/dist

USER deqviz
WORKDIR /home/deqviz
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=40s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
# All addresses of the container: who reaches those is said by -p, or by what stands in front.
ENTRYPOINT ["deqviz", "app", "--server.address=0.0.0.0", "--server.port=8501"]
