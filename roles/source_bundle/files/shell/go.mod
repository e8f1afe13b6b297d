module klubster.internal/bundle/shell

go 1.24.0

require github.com/u-root/u-root v0.15.0
