#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""fetch.py FOLDER PACKAGE[:upstream]...: unpacks the newest source of each Debian package as FOLDER/PACKAGE. With :upstream
without Debian's changes.

Through apt, from where this machine's apt gets its binary packages, and with apt's own checks of signatures and hashes. The machine's
configuration is read, never changed: lists and downloads go to FOLDER/apt. What is there already is not fetched again."""
import os
import shutil
import subprocess
import sys

# FOLDER/PACKAGE.version holds the version that was unpacked; it is written last.


class FetchError(Exception):
    pass


def run(words, what, **keywords):
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, **keywords)
    if done.returncode != 0:
        raise FetchError(f"{what} failed: {' '.join(words)}\n{done.stderr.strip()}")
    return done.stdout


def source_entries():
    """For each of the machine's binary archives the same one's sources, as deb822 stanzas."""
    listed = run(["apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)",
                  "Created-By: Packages"], "listing apt's sources")
    stanzas = []
    # In apt's own order: what several archives list is taken from the first.
    for line in dict.fromkeys(listed.splitlines()):
        uri, release, component, origin = line.split("|")
        if origin == "Debian":
            stanzas.append(f"Types: deb-src\nURIs: {uri}\nSuites: {release}\nComponents: {component}\n"
                           "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n")
    if not stanzas:
        raise FetchError("apt has no lists of a Debian archive: run apt-get update, on a machine whose sources name one")
    return "\n".join(stanzas)


def private_apt(folder):
    """An apt of our own; returns the environment that selects it."""
    for sub in ("lists/partial", "cache/archives/partial", "sources"):
        os.makedirs(os.path.join(folder, sub), exist_ok=True)
    with open(os.path.join(folder, "sources", "debian.sources"), "w", encoding="utf-8") as file:
        file.write(source_entries())
    settings = {
        "Dir::State::Lists": os.path.join(folder, "lists"),
        "Dir::Cache": os.path.join(folder, "cache"),
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": os.path.join(folder, "sources"),
        # Where root runs this, its helper user could not write to a build folder.
        "APT::Sandbox::User": "root",
        "Acquire::Retries": "3",
    }
    path = os.path.join(folder, "apt.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f'{key} "{value}";\n' for key, value in settings.items())
    return {**os.environ, "APT_CONFIG": path, "LC_ALL": "C.UTF-8"}


def only(names, what):
    if len(names) != 1:
        raise FetchError(f"{what}: apt fetched {len(names)} files of this kind, 1 was expected")
    return names[0]


def fetch(folder, package, upstream, environment):
    downloads = os.path.join(folder, "downloads")
    shutil.rmtree(downloads, ignore_errors=True)
    os.makedirs(downloads)
    kind = "--tar-only" if upstream else "--download-only"
    run(["apt-get", "-q", "source", "--only-source", kind, package], f"fetching the source of {package}",
        env=environment, cwd=downloads)
    # apt has checked the hashes against the signed list, which names those of all files.
    target = os.path.join(folder, package)
    shutil.rmtree(target, ignore_errors=True)
    names = os.listdir(downloads)
    if upstream:
        name = only([n for n in names if ".orig.tar." in n and not n.endswith(".asc")], f"{package}: orig.tar")
        os.makedirs(target)
        run(["tar", "-C", target, "--strip-components=1", "-xf", os.path.join(downloads, name)], f"unpacking {package}")
    else:
        name = only([n for n in names if n.endswith(".dsc")], f"{package}: .dsc")
        run(["dpkg-source", "--no-check", "--no-copy", "-x", os.path.join(downloads, name), target],
            f"unpacking {package}")
    version = name.partition("_")[2].partition(".orig.tar.")[0].removesuffix(".dsc")
    with open(target + ".version", "w", encoding="utf-8") as file:
        file.write(version + "\n")
    shutil.rmtree(downloads, ignore_errors=True)


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    folder = os.path.abspath(sys.argv[1])
    packages = {name: kind == "upstream" for name, _, kind in (word.partition(":") for word in sys.argv[2:])}
    missing = [p for p in packages if not os.path.exists(os.path.join(folder, p + ".version"))]
    try:
        if missing:
            environment = private_apt(os.path.join(folder, "apt"))
            run(["apt-get", "-q", "update"], "reading the archive's lists of sources", env=environment)
            for package in missing:
                fetch(folder, package, packages[package], environment)
    except FetchError as error:
        print(f"fetch: {error}\nfetch: the corpus needs the network once; what was fetched stays in {folder}", file=sys.stderr)
        return 1
    for package in packages:
        with open(os.path.join(folder, package + ".version"), encoding="utf-8") as file:
            print(f"{package} {file.read().strip()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
