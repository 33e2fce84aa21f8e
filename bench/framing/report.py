"""The table of differences."""

import subprocess
from datetime import date

BEGIN, END = "<!-- framing: begin -->", "<!-- framing: end -->"


def accepts(word):
    return word.startswith(("forwards", "passes on")) and "broken" not in word and "refuses" not in word


def agrees(words):
    return len({accepts(word) for word in words}) == 1


def render(tables, versions):
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, text=True).stdout.strip()
    lines = [f"Run on {date.today()} at commit {commit or 'unknown'}, with {versions}.", ""]
    for title, cases, columns in tables:
        names = list(columns)
        rows = list(zip(cases, zip(*columns.values())))
        different = [(case, words) for case, words in rows if not agrees(words)]
        lines.append(f"**{title.capitalize()}**: {len(cases)} cases; all four agree on {len(rows) - len(different)}. Accepted: "
                     + ", ".join(f"{name} {sum(map(accepts, column))}" for name, column in columns.items()) + ".")
        lines += ["", f"| {title[:-1]} | rule | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
        lines += [f"| {case['name']} | {case['rule']} | {' | '.join(words)} |" for case, words in different]
        lines.append("")
    return "\n".join(lines).strip()


def write(readme, text):
    old = readme.read_text()
    before, rest = old.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
