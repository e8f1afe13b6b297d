module klubster.internal/bundle/regclient

go 1.24.0

require github.com/regclient/regclient v0.9.2
