"""Turns `pip config list` on stdin into shell exports for uv, which reads no pip configuration.

A setting that the user already gave to uv, by uv's own variable, wins.
"""

import ast
import os
import shlex
import sys

# pip's name -> uv's variable. pip merges all its indexes, hence UV_INDEX_STRATEGY below.
UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}
# Later ones win, as in pip.
SECTIONS = ("global", "install", ":env:")


def read_settings(lines):
    """Returns {setting: value} from lines such as global.index-url='https://...'."""
    by_section = {section: {} for section in SECTIONS}
    for line in lines:
        key, _, value = line.strip().partition("=")
        section, _, name = key.partition(".")
        if section in by_section and value:
            by_section[section][name.lstrip(".")] = ast.literal_eval(value)
    return {name: value for section in SECTIONS for name, value in by_section[section].items()}


def exists(link):
    """uv stops at a missing local directory, pip only warns."""
    return "://" in link or os.path.exists(link)


def main():
    for name, value in read_settings(sys.stdin).items():
        variable = UV_VARIABLES.get(name)
        if not variable or os.environ.get(variable):
            continue
        words = value.split()
        if name == "find-links":
            words = [word for word in words if exists(word)]
        if words:
            separator = "," if name == "find-links" else " "
            print(f"export {variable}={shlex.quote(separator.join(words))}")
    print("export UV_INDEX_STRATEGY=${UV_INDEX_STRATEGY:-unsafe-best-match}")


if __name__ == "__main__":
    main()
