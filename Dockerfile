# syntax=docker/dockerfile:1
# A small image: the program, the C library it was built against, and certificates. No shell, no package manager, not root.
#
#   make image            or:  docker build --build-arg VIGIE_COMMIT=$(git rev-parse --short=12 HEAD) -t vigie .
#   docker run --read-only --cap-drop ALL -p 127.0.0.1:8080:8080 -v ./vigie.yaml:/etc/vigie/config/vigie.yaml:ro -v vigie:/var/lib/vigie vigie
#
# The same commit gives the same program, byte for byte: dependencies come from the lock file, paths are cut, no time is
# written. For that the base images must be the same too: give both by digest (`--build-arg RUST_IMAGE=rust@sha256:…`); the
# tags below move. Runtime and build image must be of one Debian release, for the C library.
ARG RUST_IMAGE=rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST_IMAGE} AS build
WORKDIR /src
ARG VIGIE_COMMIT=unknown
ARG SOURCE_DATE_EPOCH=0
ENV CARGO_INCREMENTAL=0 \
    CARGO_TERM_COLOR=never \
    RUSTFLAGS="--remap-path-prefix=/src=vigie --remap-path-prefix=/usr/local/cargo=cargo" \
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} \
    VIGIE_COMMIT=${VIGIE_COMMIT}
# Dependencies first, in a layer of their own that only a change of the lock file makes anew.
COPY Cargo.toml Cargo.lock build.rs ./
RUN mkdir -p src/vendors bench/history bench/proxy tests/it \
    && for file in src/main.rs bench/history/main.rs bench/proxy/bare.rs bench/proxy/origin.rs tests/it/main.rs; do echo 'fn main() {}' >"$file"; done \
    && touch src/lib.rs \
    && cargo build --release --locked --bin vigie \
    && rm -rf src target/release/vigie target/release/deps/vigie-* target/release/deps/libvigie-*
COPY src ./src
# Files keep the times they were written at: what the first layer was made from is told to be older.
RUN touch src/main.rs src/lib.rs build.rs \
    && cargo build --release --locked --bin vigie \
    && install -D -m 0755 target/release/vigie /out/vigie \
    && install -d -m 0700 /out/var/lib/vigie

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="vigie" \
      org.opencontainers.image.description="Watches the integrations around a CRM" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/vigie /vigie
# Only the directory's owner may look into it: masking key, records and audit log are there.
COPY --from=build --chown=65532:65532 /out/var/lib/vigie /var/lib/vigie
USER 65532:65532
WORKDIR /var/lib/vigie
VOLUME ["/var/lib/vigie"]
ENV VIGIE_CONFIG=/etc/vigie/config/vigie.yaml \
    VIGIE_DATA_DIR=/var/lib/vigie/data
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["/vigie", "healthcheck"]
ENTRYPOINT ["/vigie"]
CMD ["run"]
