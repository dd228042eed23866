# The switchboard with its pages; Asterisk is fetched from Debian's archive at the first start into the cache folder.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN pip install --no-cache-dir '.[build]' && python -m switchboard.pages.build && pip wheel --no-deps -w /wheels .

FROM python:3.11-slim-bookworm
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl && rm -rf /wheels && useradd --system --home /data --create-home switchboard
# The video bridge's C path is compiled here, and the compiler leaves again in the same layer.
ENV VIDEO_NATIVE_DIR=/opt/video-native
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && python -m video.native \
    && apt-get purge -y --auto-remove gcc libc6-dev && rm -rf /var/lib/apt/lists/*
RUN apt-get update && apt-get install -y --no-install-recommends fonts-noto-cjk fonts-hanazono fonts-babelstone-han \
    && rm -rf /var/lib/apt/lists/*
USER switchboard
WORKDIR /data
ENTRYPOINT ["switchboard"]
CMD ["serve"]
