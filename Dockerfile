# A static binary in an image with nothing else in it; runs as nobody.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev gcc make
WORKDIR /src
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY src src
COPY tests/bench tests/bench
RUN cargo build --locked --release --bin cloudfarm

FROM scratch
COPY --from=build /src/target/release/cloudfarm /cloudfarm
USER 65532:65532
ENTRYPOINT ["/cloudfarm"]
CMD ["run", "--config", "/etc/cloudfarm/config.yaml"]
