# The service in a container: on one machine, or as head and workers of clusters/kuberay.yaml.
#   docker build -t orrery .                                   # with CUDA, for GPU machines
#   docker build -t orrery --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .
#   docker run -p 8000:8000 -v orrery:/data -v ./keys.json:/keys.json:ro -e ORRERY_KEYS_FILE=/keys.json orrery
FROM python:3.12-slim-trixie
ARG TORCH_INDEX=""
# libLLVM makes rendering without a GPU three times faster; KubeRay's probes call wget.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libllvm19 wget \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 ray \
    && install -d -o ray /data
WORKDIR /home/ray/app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY deployments deployments
COPY graphs graphs
COPY models models
COPY serve_config.yaml ./
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url $TORCH_INDEX} -c constraints.txt -e .
USER ray
# The autoscaling policy runs in Serve's controller, which finds our packages by PYTHONPATH alone.
ENV PYTHONPATH=/home/ray/app ORRERY_DATA_DIR=/data RAY_USAGE_STATS_ENABLED=0
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["orrery", "serve", "--host", "0.0.0.0"]
