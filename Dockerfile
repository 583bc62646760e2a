# An image of the static binary and nothing else. The data is in the volume /data. It speaks plain
# HTTP, so that DULY_TRUSTED_PROXY has to name what does TLS in front of it.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -pgo cmd/duly/load.pgo -ldflags "-s -w -X main.version=${VERSION}" -o /out/duly ./cmd/duly \
 && mkdir -m 0700 /out/data

FROM scratch
# For requests of the server's own, such as change notifications.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/duly /duly
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV DULY_DATA=/data DULY_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=9s --start-period=30s CMD ["/duly", "ready"]
ENTRYPOINT ["/duly"]
CMD ["serve"]
