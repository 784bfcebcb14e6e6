-- What no closure gives exactly, one a line: DuckDB evaluates these.
now() - created_at
current_date - signup_date
random()
uuid()
hash(email)
created_at at time zone 'America/New_York'
amount::varchar || interval '1 day'
regexp_matches(title, '(a+)+$')
regexp_matches(title, email)
regexp_extract(title, '(?i)abc')
regexp_replace(title, 'x*', '-', 'g')
title ~ '\Bx'
list_transform(points, lambda x : x + 1)
[x + 1 for x in points]
format('{:.2f}', score)
printf('%d', clicks)
clicks::uhugeint
amount % clicks::hugeint
round(amount, -1)
round(clicks, -2)
gamma(score)
strip_accents(title)
json_extract(title, '$.a')
map {'a': 1}['a']
{'a': clicks}
struct_pack(a := clicks)
clicks::bit
(select max(clicks) from other)
exists (select 1)
sum(clicks) over ()
count(*)
unknown_column + 1
clicks + title
date_diff(title, created_at, last_seen)
strptime(title, '%d %B %Y')
strftime(created_at, '%c')
time_bucket(interval '1 month', created_at, 'Europe/Berlin')
email collate nocase = 'a'
~clicks
5 %-3
clicks!
$1 + clicks
'a' 'b'
e'\n' || title
0x1F + clicks
try(clicks / 0)
case when true then null end
null
quarter(interval '5 months')
list_sort(points, 'desc')
points[1:2]
length(amount)
lower(clicks)
true + 1
