-- The expressions that the first prototype of this compiler was measured with.
a / b
a // b
(-a) // b
a % b
(-a) % b
x / 0
a / 0
a % 0
a // 0
i * 100000
a * 9223372036854775807
x + n
n > 1
(n > 1) and (x > 0)
(n > 1) or (x > 0)
not (n > 1)
case when x > 10 then 'hi' when x > 1 then 'mid' else 'lo' end
case when n > 1 then 1 else 0 end
coalesce(n, x, 0)
nullif(a, 7)
least(x, n, y)
greatest(x, n, y)
round(2.5)
round(x + 0.5, 0)
round(y, 2)
round(x * 100, -2)
cast(x as bigint)
cast(x + 0.5 as bigint)
cast('42' as bigint)
try_cast(s as bigint)
ln(x + 1)
ln(-x)
ln(x - x)
sqrt(-x)
log10(x)
log(x)
power(x, 2)
2 * 6371 * asin(sqrt(power(sin(radians(lat2 - lat1) / 2), 2) + cos(radians(lat1)) * cos(radians(lat2)) * power(sin(radians(lon2 - lon1) / 2), 2)))
date_diff('day', ts, t2)
date_diff('month', ts, t2)
date_diff('hour', ts, t2)
date_trunc('hour', ts)
extract(dow from ts)
extract(hour from ts)
t2 - interval 1 day
epoch(ts)
lower(s)
s || u
concat(s, u)
substr(s, 2, 3)
substr(s, -2)
length(s)
regexp_matches(s, '^[A-Z].*ok$')
regexp_extract(s, '([0-9]+)', 1)
s like 'H%'
split_part(s, ' ', 2)
a in (1, 2, null)
x between 1 and 10
cast(p as integer)
n is null
cast(a as varchar) || '_' || s
