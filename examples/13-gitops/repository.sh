#!/bin/sh
# Makes what this example follows: .gitops/deploy.git, a bare repository as a server has them, and .gitops/work, a clone of it.
set -eu
here=$(dirname "$0")
rm -rf .gitops
mkdir .gitops
git init -q --bare -b main .gitops/deploy.git
git init -q -b main .gitops/work
git -C .gitops/work config user.name "Ada"
git -C .gitops/work config user.email "ada@example.org"
git -C .gitops/work config commit.gpgsign false
git -C .gitops/work remote add origin "$PWD/.gitops/deploy.git"
cp -r "$here/components" "$here/prod" .gitops/work/
git -C .gitops/work add .
git -C .gitops/work commit -qm "Deploy hello 1.0.0"
git -C .gitops/work push -qu origin main
