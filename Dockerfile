# The switchboard with its pages; Asterisk is fetched from Debian's archive at the first start into the cache folder.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN pip install --no-cache-dir '.[build]' && python -m switchboard.pages.build && pip wheel --no-deps -w /wheels .

FROM python:3.11-slim-bookworm
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl && rm -rf /wheels && useradd --system --home /data --create-home switchboard
USER switchboard
WORKDIR /data
ENTRYPOINT ["switchboard"]
CMD ["serve"]
