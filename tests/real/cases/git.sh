# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2103,SC2154 # settings for the driver, variables from it
# git: a history made on the spot (deterministic dates), log, diff, blame, merge, gc, clone, fsck; then a
# clone and the log of the checkout's own repository, if the checkout is one and has a commit.
weight=light
packages=git
programs=/usr/bin/git

job() {
    local commit
    export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=C \
        GIT_COMMITTER_EMAIL=c@example.org
    git config --global init.defaultBranch main
    git config --global gc.auto 0
    git config --global safe.directory '*'
    git init -q history
    cd history || fail 'no history'
    awk 'BEGIN {
        for (commit = 1; commit <= 400; commit++) {
            message = "commit " commit "\n"
            printf "commit refs/heads/main\nmark :%d\n", commit
            printf "committer C <c@example.org> %d +0000\n", 1700000000 + commit * 60
            printf "data %d\n%s", length(message), message
            if (commit > 1) printf "from :%d\n", commit - 1
            for (file = commit % 7; file < 40; file += 7) {
                text = ""
                for (line = 1; line <= 60; line++) {
                    changed = (line * file) % 50 == commit % 50 ? commit : 0
                    text = text sprintf("file %d line %d version %d\n", file, line, changed)
                }
                printf "M 644 inline folder%d/file%d.txt\ndata %d\n%s\n", file % 5, file, length(text), text
            }
        }
    }' | git fast-import --quiet
    git reset -q --hard main
    git rev-parse HEAD
    git log --stat | digest
    git log -p --all -M | digest
    git log --graph --oneline -n 20
    git blame -s folder1/file1.txt | digest
    git grep -c 'version 3' | digest
    git diff HEAD~50 HEAD --word-diff | digest
    git checkout -q -b side HEAD~10
    for commit in 1 2 3; do
        echo "side $commit" >>folder0/side.txt
        git add folder0/side.txt
        GIT_AUTHOR_DATE="170010000$commit +0000" GIT_COMMITTER_DATE="170010000$commit +0000" \
            git commit -q -m "side $commit"
    done
    git checkout -q main
    GIT_AUTHOR_DATE='1700200000 +0000' GIT_COMMITTER_DATE='1700200000 +0000' git merge -q -m merged side
    git rev-parse HEAD
    git gc --quiet --aggressive --prune=now
    git count-objects -v | grep -E '^(count|in-pack|packs|garbage)'
    git fsck --full --strict 2>&1
    git archive HEAD | digest
    cd .. || fail 'no way back'
    git clone -q --no-local history copy
    git -C copy rev-list --objects --all | sort | digest
    git -C copy status --short --branch
    git clone -q --bare --depth 5 "file://$PWD/history" shallow.git
    git -C shallow.git log --oneline
    git -C copy bundle create -q ../all.bundle --all
    git -C copy bundle verify -q ../all.bundle
    if git -C "$root" rev-parse -q --verify 'HEAD^{commit}' >/dev/null 2>&1; then
        git clone -q --no-local "$root" own
        git -C own log -p | digest
        git -C own gc -q
        git -C own fsck --full 2>&1
        git -C own status --short
    fi
    git -C copy log no-such-name 2>&1 || echo "status $?"
}
