"""Fetches components that do not lie beside their manifests: from OCI registries, git repositories and URLs.

`Fetcher` turns a reference into a package of the component store, `PackageFiles` a package into files of a snapshot.
Everything that comes from outside is hostile here: each stream has a limit of bytes and time, nothing is unpacked to
the disk, and no credential goes to a host that it was not given for.
"""
