module klubster.internal/bundle/runc

go 1.23.0

require github.com/opencontainers/runc v1.3.4
