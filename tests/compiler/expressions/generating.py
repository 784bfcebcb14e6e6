"""Random typed expressions, out of a grammar that was written from DuckDB's documentation, not from the compiler.

A line is a production: words in braces are other kinds or choices, and ``<…>`` stands in brackets or not, so that the
levels of operators are tried too.
"""

from __future__ import annotations

import random
import re

_GRAMMAR = r"""
any: {whole} | {number} | {decimal} | {truth} | {text} | {instant} | {zoned} | {date} | {interval} | {list}
     | {whole} | {number} | {truth} | {text} | {instant}
numeric: {whole} | {number} | {number} | {decimal}
time: {instant} | {instant} | {date} | {zoned}

whole leaf: a | b | i | j | si | ti | h | ui | 0 | 1 | 2 | 7 | -3 | 100 | 1000 | 86400 | 2147483647 | 3000000000
whole: <{whole} {int_op} {whole}> | <{whole} {int_op} {whole}> | <{whole} {int_op} {whole}>
     | {int_function}({whole}) | {text_size}({text}) | {difference}('{unit}', {instant}, {instant})
     | {difference}('{unit}', {zoned}, {zoned}) | {difference}('{unit}', {date}, {date})
     | {difference}('{unit}', {date}, {instant}) | {difference}('{unit}', {instant}, {zoned}) | {part}({time})
     | {part}({time}) | extract({unit} from {time}) | date_part('{unit}', {time}) | {cast}({any} as {int_type})
     | {cast}({text} as {int_type}) | {cast}({number} as {int_type}) | {cast}({decimal} as {int_type})
     | case when {truth} then {whole} else {whole} end | case when {truth} then {whole} when {truth} then {whole} end
     | case {whole} when {whole} then {whole} else {whole} end | {first}({whole}, {whole}) | nullif({whole}, {whole})
     | {extreme}({whole}, {whole}, {whole}) | {position}({text}, {text_leaf}) | len({list}) | li[{whole_leaf}]
     | {list_function}(li) | list_position(li, 3) | {since}({time}) | {pair_function}({whole}, {whole})
     | <{date} - {date}> | if({truth}, {whole}, {whole}) | {interval_part}({interval}) | -{whole}

number leaf: x | y | f | x | y | 0.5e0 | 1e3 | -2.5e0 | 1e-3 | 0e0 | 100e0
number: <{numeric} {float_op} {number}> | <{number} {float_op} {numeric}> | <{number} {float_op} {number}>
     | {float_function}({numeric}) | {float_function}({number}) | {rounding}({number}) | round({number}, {places})
     | trunc({number}, 2) | <{whole} / {whole}> | {cast}({numeric} as {float_type}) | {cast}({text} as {float_type})
     | {cast}({truth} as double) | case when {truth} then {number} else {numeric} end | {first}({number}, {numeric})
     | {extreme}({number}, {numeric}) | {float_pair}({numeric}, {numeric}) | epoch({time}) | epoch({interval})
     | nullif({number}, 0) | nullif({number}, {number}) | -{number} | jaccard({text}, {text_leaf})

decimal leaf: d | m | w | d | m | 0.5 | 1.25 | -0.01 | 100.0 | .5 | 2. | 0.1
decimal: <{decimal} {dec_op} {decimal}> | <{decimal} {dec_op} {whole}> | <{whole} {dec_op} {decimal}>
     | {rounding}({decimal}) | {round}({decimal}, {dec_places}) | {cast}({numeric} as {dec_type})
     | {cast}({text} as {dec_type}) | case when {truth} then {decimal} else {decimal} end
     | {first}({decimal}, {decimal}) | {extreme}({decimal}, {whole}) | nullif({decimal}, 0) | -{decimal}

truth leaf: p | q | p | q | true | false
truth: <{whole} {compare} {whole}> | <{number} {compare} {numeric}> | <{decimal} {compare} {numeric}>
     | <{text} {compare} {text}> | <{instant} {compare} {instant}> | <{zoned} {compare} {instant}>
     | <{date} {compare} {date}> | <{date} {compare} {instant}> | <{truth} {compare} {truth}>
     | <{interval} {compare} {interval}> | <{truth} {junction} {truth}> | <{truth} {junction} {truth}>
     | <{truth} {junction} {truth}> | <not {truth}> | <{any} {is_null}> | <{truth} {is_truth}>
     | <{whole} {in} ({whole_leaf}, {whole_leaf})> | <{whole} {in} ({whole}, null)> | <{number} {in} ({number}, 1)>
     | <{text} {in} ('a', 'ok', {text_leaf})> | <{date} {in} ({date}, {date})> | <{whole} {between} {whole} and {whole}>
     | <{numeric} {between} {numeric} and {numeric}> | <{text} {between} {text} and {text}>
     | <{time} {between} {time} and {time}> | <{text} {like} '{like_pattern}'> | <{text} {like} {text_leaf}>
     | {affix}({text}, {text_leaf}) | {match}({text}, '{pattern}') | {match}({text}, '{pattern}', '{flag}')
     | <{text} {tilde} '{pattern}'> | <{whole} {distinct} {whole}> | <{number} {distinct} {number}>
     | <{text} {distinct} {text}> | <{instant} {distinct} {instant}> | <{truth} {distinct} {truth}>
     | isnan({number}) | isfinite({number}) | isinf({number}) | isfinite({instant}) | isinf({date})
     | list_contains(li, {whole_leaf}) | list_has_any(li, [1, 3]) | {cast}({text} as boolean)
     | {cast}({numeric} as boolean) | case when {truth} then {truth} else {truth} end

text leaf: s | u | s | u | 'a' | 'ok' | ' ' | '-' | '' | 'hello' | 'ß' | '123' | '.' | 'l' | 'Héllo' | '42' | '日'
     | '2020-02-29'
text: {text_function}({text}) | <{text} || {text}> | <{text} || {whole}> | <{text} || {any}>
     | concat({any}, {text}, {any}) | {substr}({text}, {offset}) | {substr}({text}, {offset}, {length})
     | {side}({text}, {count}) | split_part({text}, {separator}, {offset}) | replace({text}, {text_leaf}, {text_leaf})
     | {pad}({text}, {count}, {text_leaf}) | regexp_extract({text}, '{pattern}')
     | regexp_extract({text}, '([a-z]+)(-)?', {group}) | regexp_replace({text}, '{pattern}', '{rewrite}')
     | regexp_replace({text}, '([a-z]+)', '{rewrite}', 'g') | {cast}({any} as varchar)
     | {cast}({number} as varchar) | case when {truth} then {text} else {text} end | {first}({text}, {text})
     | nullif({text}, {text}) | {extreme}({text}, {text}) | {name_of}({time}) | strftime({time}, '{format}')
     | {trim}({text}, {text_leaf}) | repeat({text}, {count}) | concat_ws({text_leaf}, {text}, {text})
     | chr({code}) | translate({text}, {text_leaf}, {text_leaf}) | array_to_string(ls, ',') | ls[{offset}]
     | {text}[{offset}] | if({truth}, {text}, null)

instant leaf: ts | t2 | ts | t2 | timestamp '2021-03-28 02:30:00' | timestamp '2020-02-29'
instant: <{instant} {sign} {interval}> | <{date} {sign} {interval}> | <{interval} + {instant}>
     | date_trunc('{unit}', {instant}) | date_trunc('{unit}', {date}) | case when {truth} then {instant} end
     | {first}({instant}, {instant}) | {extreme}({instant}, {date}) | {cast}({time} as timestamp)
     | {cast}({text} as timestamp) | time_bucket({width}, {instant}) | time_bucket({width}, {instant}, {instant})
     | time_bucket({width}, {instant}, interval '2 hours') | <{zoned} at time zone 'UTC'> | epoch_ms({whole})
     | make_timestamp({year}, {month}, 28, ti, 30, {number}) | try_strptime({text}, '%Y-%m-%d')

zoned leaf: z | z2 | z | z2 | timestamptz '2021-03-28 02:30:00+00'
zoned: <{zoned} {sign} {interval}> | date_trunc('{unit}', {zoned}) | case when {truth} then {zoned} else {zoned} end
     | {first}({zoned}, {zoned}) | {extreme}({zoned}, {zoned}) | {cast}({time} as timestamptz)
     | {cast}({text} as timestamptz) | time_bucket({width}, {zoned}) | time_bucket({width}, {zoned}, {zoned})
     | to_timestamp({numeric}) | <{instant} at time zone 'UTC'>

date leaf: dt | d2 | dt | d2 | date '2020-02-29' | date '1999-12-31'
date: <{date} {sign} {days}> | last_day({time}) | {cast}({time} as date) | {cast}({text} as date)
     | case when {truth} then {date} else {date} end | {first}({date}, {date}) | {extreme}({date}, {date})
     | make_date({year}, {month}, {day}) | time_bucket({width}, {date})

interval leaf: iv | interval '1 day' | interval 2 hours | interval '1 month' | interval '90' minute | interval (ti) day
     | to_days(3) | interval '1 year' | interval 5 seconds
interval: <{interval} {sign} {interval}> | <{interval} * {factor}> | <{instant} - {instant}> | <{zoned} - {zoned}>
     | age({instant}, {instant}) | age({zoned}, {zoned}) | {to_interval}({factor}) | -{interval}

list leaf: li | ls | li
list: [{whole}, {whole}] | string_split({text}, {separator}) | list_sort(li) | [{text}, null]
"""
_CHOICES = r"""
int_op: + | - | * | // | % | & | \| | << | >>
int_function: abs | sign | bit_count | round | trunc
text_size: length | strlen | ascii | unicode | bit_length | len
difference: date_diff | date_diff | date_sub | datediff | datesub
unit: year | month | day | hour | minute | second | millisecond | microsecond | week | quarter | decade | century
     | millennium | isoyear | dow | isodow | doy | epoch | yearweek | era
part: year | month | day | hour | minute | second | millisecond | microsecond | week | weekofyear | quarter | decade
     | century | millennium | isoyear | dayofweek | weekday | isodow | dayofyear | dayofmonth | yearweek | era
interval_part: year | month | day | hour | minute | second | millisecond | microsecond
cast: cast | try_cast
int_type: tinyint | smallint | int | bigint | hugeint
float_type: double | double | float
dec_type: decimal(10,2) | decimal(18,3) | decimal(4,1) | decimal(38,10) | decimal(5,0) | decimal(3,3)
first: coalesce | ifnull | coalesce
extreme: greatest | least
position: strpos | instr | levenshtein
list_function: list_sum | list_max | list_min | list_count | list_avg
since: epoch_ms | epoch_us
pair_function: gcd | lcm | mod | xor
float_op: + | - | * | / | / | % | // | **
float_function: sqrt | ln | log2 | log10 | log | exp | sin | cos | tan | asin | acos | atan | cbrt | degrees | radians
     | cot | sinh | cosh | tanh | asinh | even
rounding: round | floor | ceil | abs | trunc
round: round | trunc
places: 0 | 1 | 2 | 3 | -1 | -2 | 6
dec_places: 0 | 1 | 2 | 5
float_pair: pow | power | atan2
dec_op: + | - | * | %
compare: = | <> | < | <= | > | >= | !=
junction: and | or
is_null: is null | is not null
is_truth: is true | is false | is not true | is not false | is unknown
in: in | not in
between: between | not between
like: like | ilike | not like | not ilike
affix: starts_with | ends_with | contains | prefix | suffix
match: regexp_matches | regexp_full_match
tilde: ~ | !~ | similar to
flag: i | s | c
distinct: is distinct from | is not distinct from
text_function: lower | upper | trim | ltrim | rtrim | reverse | md5 | sha256 | sha1 | lcase | hex
substr: substr | substring
offset: 1 | 2 | -2 | 0 | 5 | -1 | ti
length: 2 | 3 | -1 | 0 | si
side: left | right
count: 1 | 3 | -2 | 0 | ti | 12
separator: '-' | ' ' | '' | '.' | 'l' | 'ab'
pad: lpad | rpad
group: 0 | 1 | 2
rewrite: x | | [\\1] | <\\0>
name_of: dayname | monthname
format: %Y-%m-%d | %d/%m/%y | %H:%M:%S.%f | %A %j %p | %Y%m | %-d.%-m.%Y %I | %G-W%V-%u | %b %a %w
trim: trim | ltrim | rtrim
code: 65 | ti | 233
sign: + | -
width: interval '1 hour' | interval '15 minutes' | interval '1 day' | interval '7 days' | interval '1 month'
     | interval '3 months' | interval '90 seconds'
year: 2020 | 1999 | si
month: 2 | 12 | ti
day: 1 | 29 | 31
days: 1 | 30 | ti | si | 365
factor: 2 | -1 | ti | 5
to_interval: to_days | to_hours | to_months | to_minutes | to_years | to_weeks
like_pattern: % | a% | %c | %l% | H_llo% | _ | | a%b%c | %o w% | abc123 | %@%.com | __-%
pattern: [0-9]+ | ^[A-Z].*ok$ | ([a-z]+)@([a-z]+)\.com | \d{2,3} | a\|b\|hello | (?:foo\|ab)c? | \bw | ^$ | . | l+
     | [^a-z ] | \s | (\w+) (\w+) | x*y | ^\s*$ | [[:alpha:]]+ | H.llo | (a)(b)? | \. | é\|ü | [a-f-]{2} | o\b
"""


def _read(text: str) -> dict[str, list[str]]:
    found = {}
    for line in re.split(r"\n(?=\S)", text.strip()):
        name, _, rest = line.partition(":")
        joined = re.sub(r"\n\s*", " ", rest)
        found[name.strip()] = [part.strip().replace("\\|", "|") for part in re.split(r"(?<!\\)\|", joined)]
    return found


_KINDS, _WORDS = _read(_GRAMMAR.replace("||", "\\|\\|")), _read(_CHOICES)


class Expressions:
    """Writes expressions of a wanted kind; ``chance`` decides."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def write(self, kind: str, depth: int) -> str:
        """An expression of so many levels at most."""
        if kind in _WORDS:
            return self.chance.choice(_WORDS[kind])
        leaf = f"{kind.removesuffix('_leaf')} leaf"
        if leaf in _KINDS and (depth <= 0 or kind.endswith("_leaf")):
            return self.chance.choice(_KINDS[leaf])
        template = self.chance.choice(_KINDS[kind])
        deeper = depth if leaf not in _KINDS else self.chance.choice([0, depth - 1])
        if template.startswith("<"):
            template = f"({template[1:-1]})" if self.chance.random() < 0.6 else template[1:-1]
        return re.sub(r"\{([a-z_]+)\}", lambda match: self.write(match[1], deeper), template)
