FROM python:3.13.16-slim-trixie AS build

RUN pip install --no-cache-dir "uv>=0.9,<1" && uv venv /opt/hephaestus
WORKDIR /build
# What it needs, in a layer of its own: a change of the code does not install all of it again.
COPY pyproject.toml ./
RUN uv pip install --no-cache --compile-bytecode --python /opt/hephaestus -r pyproject.toml
COPY README.md LICENSE NOTICE ./
COPY hephaestus_tickets ./hephaestus_tickets
RUN uv pip install --no-cache --compile-bytecode --python /opt/hephaestus --no-deps .

FROM python:3.13.16-slim-trixie

LABEL org.opencontainers.image.title="Hephaestus Tickets" \
      org.opencontainers.image.description="A ticket tracker for AI agents: MCP tools on PostgreSQL, with boards, enforced blockers and full history." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"

# onnxruntime would keep a number of this device and tell its makers of its use.
ENV ORT_DISABLE_TELEMETRY=1 \
    PATH="/opt/hephaestus/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# Commits are looked up with it, where GIT_ROOTS or GIT_REPOSITORY says so.
RUN apt-get update && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin hephaestus
COPY --from=build /opt/hephaestus /opt/hephaestus

# By number: who checks that it is not root does not know the names.
USER 10001:10001
EXPOSE 8420
ENTRYPOINT ["hephaestus-tickets"]
CMD ["serve"]
