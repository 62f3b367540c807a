# A static binary in an image with nothing else in it; runs as nobody.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev gcc make
WORKDIR /src
# Without rust-toolchain.toml: the image is the pin, and rustup would fetch a second toolchain for its components.
COPY Cargo.toml Cargo.lock ./
COPY src src
# Cargo.toml names a benchmark in it.
COPY tests/bench tests/bench
RUN cargo build --locked --release --bin cloudfarm

FROM scratch
COPY --from=build /src/target/release/cloudfarm /cloudfarm
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/cloudfarm"]
CMD ["run", "--config", "/etc/cloudfarm/config.yaml"]
