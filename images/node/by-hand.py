#!/usr/bin/env python3
"""Builds knarr.dev/node by hand with the docker command, from versions.yaml. The Rust builder replaces this."""
import hashlib, json, os, pathlib, subprocess as sp, sys, time, yaml

IMAGES = pathlib.Path(__file__).resolve().parent.parent
NODE = IMAGES / "node"
T = yaml.safe_load((IMAGES / "versions.yaml").read_text())
K8S = next(c["version"] for c in T["components"] if c["name"] == "kubernetes")
REF = f"{T['image']}:v{K8S}"
CA = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
PROXY = [f for k in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "GOPROXY", "GOSUMDB") if k in os.environ for f in ("-e", k)]
BUILDER, START = "knarr-builder", time.time()
SEED = "/usr/lib/knarr/images"


def sh(*argv, **kw):
    return sp.run(argv, check=True, text=True, **kw)


def out(*argv):
    return sh(*argv, stdout=sp.PIPE).stdout.strip()


def say(text):
    print(f"[{time.time() - START:6.1f}s] {text}", flush=True)


def have(ref):
    return sp.run(["docker", "image", "inspect", ref], capture_output=True).returncode == 0


def inside(script, **kw):
    return sh("docker", "exec", "-i", BUILDER, "sh", "-euc", script, **kw)


SLIM = r"""
cat > /etc/dpkg/dpkg.cfg.d/knarr <<'X'
path-exclude /usr/share/doc/*
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
X
echo 'APT::Install-Recommends "false";' > /etc/apt/apt.conf.d/knarr
"""
SWEEP = r"""
rm -rf /usr/share/doc /usr/share/man /usr/share/info /usr/share/lintian /usr/share/locale /usr/share/bash-completion
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* /var/lib/dpkg/*-old /tmp/*
"""


def base():
    ref = f"knarr.dev/node-base:{T['debian']['suite']}"
    if not have(ref):
        say("base: debootstrap")
        root = "/tmp/knarr-rootfs"
        sh("debootstrap", "--variant=minbase", T["debian"]["suite"], root, stdout=sp.DEVNULL)
        sh("sh", "-c", f"tar -C {root} -c . | docker import - {ref} && rm -rf {root}", stdout=sp.DEVNULL)
    return ref


def node_base(ref):
    packages = " ".join(T["debian"]["node"])
    script = SLIM + f"apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y {packages}\n" + SWEEP
    tag = "knarr.dev/node-packages:" + hashlib.sha256(script.encode()).hexdigest()[:12]
    if not have(tag):
        say("packages of the node")
        c = out("docker", "create", *PROXY, ref, "sh", "-euc", script)
        sh("docker", "start", "-a", c, stdout=sp.DEVNULL, stderr=sp.DEVNULL)
        sh("sh", "-c", f"docker export {c} | docker import - {tag}", stdout=sp.DEVNULL)
        sh("docker", "rm", c, stdout=sp.DEVNULL)
    return tag


def builder(ref):
    sp.run(["docker", "rm", "-f", BUILDER], capture_output=True)
    packages = " ".join(T["debian"]["builder"])
    tag = "knarr.dev/node-builder:" + hashlib.sha256(packages.encode()).hexdigest()[:12]
    if not have(tag):
        say("packages of the builder")
        c = out("docker", "create", *PROXY, ref, "sh", "-euc", SLIM + f"apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y {packages}")
        sh("docker", "start", "-a", c, stdout=sp.DEVNULL, stderr=sp.DEVNULL)
        sh("docker", "commit", c, tag, stdout=sp.DEVNULL)
        sh("docker", "rm", c, stdout=sp.DEVNULL)
    vols = {"knarr-build-gomod": "/go/pkg/mod", "knarr-build-gocache": "/root/.cache/go-build", "knarr-build-cargo": "/root/.cargo",
            "knarr-build-target": "/target", "knarr-build-out": "/out"}
    env = {"SSL_CERT_FILE": "/knarr/ca.crt", "CARGO_HTTP_CAINFO": "/knarr/ca.crt", "GOMODCACHE": "/go/pkg/mod",
           "GOTOOLCHAIN": T["go"]["toolchain"], "CGO_ENABLED": "0", "CARGO_TARGET_DIR": "/target", "GOFLAGS": "-buildvcs=false"}
    sh("docker", "run", "-d", "--name", BUILDER, *PROXY, *[f for k, v in vols.items() for f in ("-v", f"{k}:{v}")],
       *[f for k, v in env.items() for f in ("-e", f"{k}={v}")], tag, "sleep", "infinity", stdout=sp.DEVNULL)
    sh("docker", "cp", "-L", CA, f"{BUILDER}:/tmp/ca.crt")
    inside("mkdir -p /knarr/src && mv /tmp/ca.crt /knarr/ca.crt")
    sh("sh", "-c", f"tar -C {NODE} -c go pause | docker exec -i {BUILDER} tar -C /knarr/src -x")


def fill(flag, version):
    major, minor = (version.split(".") + [""])[:2]
    return flag.replace("{version}", version).replace("{major}", major).replace("{minor}", minor)


def target(c, install):
    return f"/out/stage{SEED}/layers/{c['name']}{install}" if "podImage" in c else f"/out/stage{install}"


def build(c):
    if "go" in c:
        flags = " ".join(fill(f, c["version"]) for f in c["go"].get("ldflags", []))
        for b in c["go"]["binaries"]:
            tags = ",".join(T["go"]["tags"] + b.get("tags", []))
            to = target(c, b["install"])
            inside(f"cd /knarr/src/go; nice -n 5 go build -trimpath -tags {tags} -ldflags '-s -w {flags}' -o {to} {b['package']}")
            for link in b.get("links", []):
                inside(f"ln -sf {os.path.basename(to)} /out/stage{link}")
    elif "c" in c:
        to = target(c, c["c"]["install"])
        inside(f"mkdir -p {os.path.dirname(to)}; gcc -static -Os -s -Wall -Wextra -Werror -o {to} /knarr/src/pause/{c['c']['source']}")
    elif "busybox" in c:
        root = target(c, "")
        inside(f"mkdir -p {root}/bin {root}/etc {root}/tmp {root}/root {root}/var/tmp {root}/dev {root}/proc {root}/sys; chmod 1777 {root}/tmp {root}/var/tmp; "
               f"cp /bin/busybox {root}/bin/; for a in $(busybox --list); do [ $a = busybox ] || ln -sf busybox {root}/bin/$a; done; "
               f"echo root:x:0:0:root:/root:/bin/sh > {root}/etc/passwd; echo nobody:x:65534:65534:nobody:/:/bin/false >> {root}/etc/passwd; "
               f"echo root:x:0: > {root}/etc/group; echo nogroup:x:65534: >> {root}/etc/group")
    elif "cargo" in c:
        to = target(c, c["cargo"]["install"])
        inside(f"cd /knarr/src/rust; RUSTFLAGS='-C target-feature=+crt-static' nice -n 5 cargo build --release -q -p {c['cargo']['package']} "
               f"--target $(uname -m)-unknown-linux-gnu; install -D /target/$(uname -m)-unknown-linux-gnu/release/{c['cargo']['package']} {to}")


def agent_sources():
    """The agent and its contract as a workspace of their own: the knarr crate needs a newer Rust than Debian's."""
    root = IMAGES.parent
    manifest = (root / "Cargo.toml").read_text()
    workspace = manifest.split("[package]")[0].replace('members = [".", ', "members = [")
    workspace += "[profile.release]\nstrip = true\nlto = \"thin\"\n"
    inside("mkdir -p /knarr/src/rust; cat > /knarr/src/rust/Cargo.toml", input=workspace)
    sh("sh", "-c", f"tar -C {root} -c Cargo.lock images/node/agent images/node/contract | docker exec -i {BUILDER} tar -C /knarr/src/rust -x")


def seed():
    images = [{"reference": fill(c["podImage"]["reference"], c["version"]), "layer": c["name"],
               **{k: c["podImage"][k] for k in ("entrypoint", "command", "user") if k in c["podImage"]}}
              for c in T["components"] if "podImage" in c]
    inside("cd /knarr/src/go; go build -trimpath -o /out/seed ./cmd/seed")
    inside(f"rm -rf /out/stage{SEED}/root; /out/seed -root /out/stage{SEED}/root -layers /out/stage{SEED}/layers -at {SEED}/layers -arch $(go env GOARCH)", input=json.dumps(images))
    return images


def assemble(nodebase):
    c = out("docker", "run", "-d", "--stop-signal", "SIGTERM", "-v", "knarr-build-out:/knarr-out:ro", nodebase, "sleep", "infinity")
    sh("docker", "exec", c, "sh", "-euc", "cp -a --no-target-directory /knarr-out/stage/. / && mkdir -p /etc/knarr")
    versions = {x["name"]: x["version"] for x in T["components"]}
    labels = {"dev.knarr.image.contract": T["contract"], "dev.knarr.image.kubernetes": K8S, "dev.knarr.image.versions": json.dumps(versions)}
    changes = ['ENTRYPOINT ["/usr/bin/knarr-node"]', "CMD []", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    changes += [f"LABEL {k}={json.dumps(str(v))}" for k, v in labels.items()]
    sh("docker", "commit", *[f for x in changes for f in ("-c", x)], c, REF, stdout=sp.DEVNULL)
    sh("docker", "rm", "-f", c, stdout=sp.DEVNULL)


def main():
    ref = base()
    nodebase = node_base(ref)
    builder(ref)
    agent_sources()
    inside("rm -rf /out/stage")
    for n, c in enumerate(T["components"], 1):
        say(f"{n} of {len(T['components'])}: {c['name']} {c['version']}")
        build(c)
    say("preloaded images")
    for image in seed():
        print("   ", image["reference"])
    say("assembly")
    assemble(nodebase)
    sh("docker", "rm", "-f", BUILDER, stdout=sp.DEVNULL)
    say(f"{REF} is there")


if __name__ == "__main__":
    sys.exit(main())
