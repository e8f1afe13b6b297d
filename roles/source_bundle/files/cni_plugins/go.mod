module klubster.internal/bundle/cni_plugins

go 1.24.2

require github.com/containernetworking/plugins v1.8.0
