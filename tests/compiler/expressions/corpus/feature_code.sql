-- Expressions of feature code, one a line, over the columns of test_corpus.py. A comment names what follows.
-- ratios and counts
clicks / nullif(impressions, 0)
coalesce(clicks / nullif(impressions, 0), 0)
purchases * 1.0 / nullif(sessions, 0)
purchases::double / greatest(sessions, 1)
(clicks + 1.0) / (impressions + 2.0)
clicks // 10
clicks % 7
round(clicks / nullif(impressions, 0), 4)
case when impressions > 0 then clicks / impressions else 0 end
if(impressions > 0, clicks / impressions, null)
coalesce(purchases, 0) + coalesce(clicks, 0)
greatest(0, impressions - clicks)
least(1.0, clicks / nullif(impressions, 0))
abs(clicks - purchases)
sign(clicks - purchases)
ln(1 + clicks)
ln(clicks + 1) / ln(2)
log10(greatest(impressions, 1))
sqrt(abs(clicks))
power(clicks, 2)
exp(-clicks / 100)
1 / (1 + exp(-score))
1.0 - 1.0 / (1.0 + clicks)
score * score
tanh(score)
(score - mean_score) / nullif(std_score, 0)
coalesce((score - mean_score) / nullif(std_score, 0), 0.0)
least(greatest(score, -3), 3)
case when std_score is null or std_score = 0 then 0 else (score - mean_score) / std_score end
isnan(score)
case when isnan(score) or isinf(score) then null else score end
nullif(score, 'nan'::double)
floor(score * 10) / 10
ceil(score)
trunc(score)
cast(floor(score) as integer)
round(score)
round(score, 2)
round(score * 100, 1)
mod(clicks, 2) = 0
clicks between 1 and 10
clicks not between 1 and 10
clicks in (0, 1, 2)
clicks not in (0, 1)
(clicks > 0)::int
cast(clicks > purchases as int)
(clicks > 0)::int + (purchases > 0)::int
clicks is null
clicks is not null
coalesce(clicks, -1)
clicks & 7
xor(clicks, purchases)
bit_count(clicks)
clicks << 2
gcd(clicks, impressions)
try_cast(score as int)
-- money
amount * quantity
amount * 1.2
amount * quantity - discount
round(amount * 1.19, 2)
round(amount, 0)
floor(amount)
ceil(amount)
amount / nullif(quantity, 0)
cast(amount as double) / 100
amount::double
(amount * 100)::bigint
cast(amount as decimal(12,2))
amount - coalesce(discount, 0)
greatest(amount - coalesce(discount, 0), 0)
discount / nullif(amount, 0)
coalesce(discount, 0) / nullif(amount, 0) > 0.2
amount > 100
amount >= 99.99
amount between 10 and 20.5
amount % 1
amount % 1 = 0
-amount
abs(amount)
sign(amount)
case when amount < 10 then 'small' when amount < 100 then 'medium' else 'large' end
case when amount is null then 'none' else 'some' end
ln(greatest(amount, 0.01))
least(amount, 1000)
amount + 0.5
amount * 0.07 * quantity
cast(round(amount) as bigint)
amount::varchar
'$' || amount
concat('$', round(amount, 1))
nullif(amount, 0)
currency in ('EUR', 'USD')
case currency when 'EUR' then amount when 'USD' then amount * 0.9 else null end
case when currency = 'JPY' then amount / 100 else amount::double end
upper(trim(currency))
coalesce(upper(currency), 'UNKNOWN')
-- buckets
case when age < 18 then 0 when age < 30 then 1 when age < 45 then 2 when age < 65 then 3 else 4 end
cast(floor(age / 10.0) * 10 as int)
age // 10 * 10
(age - age % 5)
least(age, 99)
case when age between 13 and 19 then 'teen' end
case when age is null then 'unknown' when age >= 65 then 'senior' else 'adult' end
floor(log10(greatest(impressions, 1)))
cast(ln(greatest(impressions, 1)) as int)
case when score >= 0.9e0 then 'A' when score >= 0.5e0 then 'B' else 'C' end
width // 5
width::varchar || 'px'
cast(score * 10 as int)
least(cast(score * 10 as bigint), 9)
-- dates and times
hour(created_at)
minute(created_at)
dayofweek(created_at)
isodow(created_at)
extract(dow from created_at)
extract(isodow from created_at) in (6, 7)
dayofweek(created_at) in (0, 6)
day(created_at)
dayofyear(created_at)
week(created_at)
weekofyear(created_at)
month(created_at)
quarter(created_at)
year(created_at)
extract(epoch from created_at)
epoch(created_at)
epoch_ms(created_at)
epoch_us(created_at)
date_part('hour', created_at)
date_part('epoch', created_at)
date_trunc('day', created_at)
date_trunc('hour', created_at)
date_trunc('week', created_at)
date_trunc('month', created_at)
date_trunc('quarter', created_at)
date_trunc('year', created_at)
cast(created_at as date)
created_at::date
created_at::date = signup_date
date_diff('day', signup_date, created_at::date)
date_diff('day', signup_date, created_at)
date_diff('hour', last_seen, created_at)
date_diff('minute', last_seen, created_at)
date_diff('second', last_seen, created_at)
date_diff('millisecond', last_seen, created_at)
date_diff('week', signup_date, created_at::date)
date_diff('month', signup_date, created_at::date)
date_diff('year', birth_date, created_at::date)
date_sub('month', signup_date, created_at::date)
date_sub('year', birth_date, created_at::date)
datediff('day', birth_date, signup_date)
epoch(created_at) - epoch(last_seen)
(epoch(created_at) - epoch(last_seen)) / 3600
epoch(created_at - last_seen)
extract(epoch from (created_at - last_seen)) / 86400
created_at - last_seen > interval '1 day'
created_at - last_seen <= interval 30 minutes
created_at > last_seen + interval '7 days'
created_at - interval '1 hour' < last_seen
last_seen is null or created_at - last_seen > interval '90 days'
created_at between last_seen and last_seen + interval '1 day'
created_at >= timestamp '2024-01-01'
created_at >= '2024-01-01'
signup_date < date '2020-01-01'
signup_date between '2019-01-01' and '2020-12-31'
signup_date + 30
signup_date + interval '1 month'
signup_date - 1
created_at::date - signup_date
signup_date - birth_date
(signup_date - birth_date) / 365.25
cast((created_at::date - birth_date) / 365.25 as int)
last_day(signup_date)
day(last_day(signup_date))
date_diff('day', signup_date, last_day(signup_date))
day(signup_date) = day(last_day(signup_date))
dayname(created_at)
monthname(created_at)
strftime(created_at, '%Y-%m')
strftime(created_at, '%H:%M')
strftime(created_at, '%Y-%m-%d %H:%M:%S')
strftime(signup_date, '%d.%m.%Y')
strftime(created_at, '%a')
strftime(created_at, '%G-W%V')
strptime('2024-01-15', '%Y-%m-%d')
make_date(2024, 1, 15)
make_date(year(signup_date), 1, 1)
date_diff('day', make_date(year(created_at), 1, 1), created_at::date)
sin(2 * pi() * hour(created_at) / 24)
cos(2 * pi() * hour(created_at) / 24)
sin(2 * pi() * dayofweek(created_at) / 7)
cos(2 * pi() * dayofyear(created_at) / 365.25)
sin(2 * pi() * (hour(created_at) + minute(created_at) / 60.0) / 24)
hour(created_at) * 60 + minute(created_at)
hour(created_at) >= 22 or hour(created_at) < 6
hour(created_at) between 9 and 17 and dayofweek(created_at) between 1 and 5
case when hour(created_at) < 6 then 'night' when hour(created_at) < 12 then 'morning' when hour(created_at) < 18 then 'afternoon' else 'evening' end
month(created_at) in (12, 1, 2)
(month(created_at) % 12) // 3
time_bucket(interval '15 minutes', created_at)
time_bucket(interval '1 week', created_at)
time_bucket(interval '3 months', signup_date)
age(created_at, last_seen)
year(age(created_at, last_seen))
to_timestamp(epoch_seconds)
year(to_timestamp(epoch_seconds))
epoch_ms(epoch_seconds * 1000)
created_at + to_hours(3)
created_at + to_days(age)
created_at + interval (age) day
created_at at time zone 'UTC'
date_trunc('day', seen_tz)
hour(seen_tz)
seen_tz - interval '1 day'
date_diff('hour', seen_tz, seen_tz + interval '5 hours')
seen_tz::timestamp
created_at::timestamptz
epoch(seen_tz)
coalesce(last_seen, created_at)
greatest(last_seen, created_at)
least(signup_date, birth_date)
isfinite(created_at)
quarter(signup_date) = 4
year(signup_date) * 100 + month(signup_date)
yearweek(signup_date)
isoyear(signup_date)
century(signup_date)
extract(year from signup_date)
extract('month' from signup_date)
case when signup_date is null then -1 else date_diff('day', signup_date, created_at::date) end
coalesce(date_diff('day', last_seen, created_at), 9999)
date_diff('day', last_seen, created_at) <= 7
exp(-date_diff('hour', last_seen, created_at) / 24.0)
1.0 / (1 + date_diff('day', last_seen, created_at))
-- sessions
case when last_seen is null or date_diff('minute', last_seen, created_at) > 30 then 1 else 0 end
(created_at - last_seen) > interval '30 minutes'
session_seconds / 60.0
session_seconds / nullif(clicks, 0)
clicks / nullif(session_seconds / 60.0, 0)
session_seconds > 600
ln(1 + greatest(session_seconds, 0))
least(session_seconds, 3600) / 3600.0
to_seconds(age) > interval '20 seconds'
coalesce(session_seconds, 0) = 0
-- places
2 * 6371 * asin(sqrt(power(sin(radians(lat2 - lat1) / 2), 2) + cos(radians(lat1)) * cos(radians(lat2)) * power(sin(radians(lon2 - lon1) / 2), 2)))
acos(least(1.0, sin(radians(lat1)) * sin(radians(lat2)) + cos(radians(lat1)) * cos(radians(lat2)) * cos(radians(lon2 - lon1)))) * 6371
abs(lat1 - lat2) + abs(lon1 - lon2)
sqrt(power(lat1 - lat2, 2) + power(lon1 - lon2, 2))
sqrt((lat1 - lat2) ** 2 + (lon1 - lon2) ** 2)
atan2(lon2 - lon1, lat2 - lat1)
degrees(atan2(sin(radians(lon2 - lon1)) * cos(radians(lat2)), cos(radians(lat1)) * sin(radians(lat2)) - sin(radians(lat1)) * cos(radians(lat2)) * cos(radians(lon2 - lon1))))
floor(lat1 * 10) / 10
round(lat1, 2) || ',' || round(lon1, 2)
concat(cast(floor(lat1) as int), '_', cast(floor(lon1) as int))
cast(floor(lat1 / 0.5) as int)
lat1 between 36 and 71 and lon1 between -10 and 40
lat1 is null or lon1 is null
lat1 > 0
cos(radians(lat1)) * 111.32
case when lat1 >= 0 then 'N' else 'S' end
-- text
lower(email)
lower(trim(email))
split_part(email, '@', 2)
lower(split_part(email, '@', 2))
split_part(split_part(email, '@', 2), '.', -1)
length(email)
length(trim(coalesce(email, '')))
email is null or email = ''
nullif(trim(email), '')
email like '%@gmail.com'
email ilike '%@GMAIL.com'
email not like '%@%'
contains(email, '+')
starts_with(lower(email), 'admin')
ends_with(email, '.edu')
suffix(email, '.com')
strpos(email, '@')
position('@' in email)
substr(email, 1, 3)
substring(email, 2)
left(email, 5)
right(email, 4)
replace(email, '.', '')
length(email) - length(replace(email, '.', ''))
reverse(left(title, 3))
upper(left(title, 1)) || lower(substr(title, 2))
title || ' ' || coalesce(currency, '')
concat(title, '-', clicks)
concat_ws('|', title, currency, email)
lpad(cast(clicks as varchar), 6, '0')
rpad(title, 10, '.')
repeat('*', 3)
md5(lower(email))
sha256(email)
left(md5(email), 8)
ascii(title)
title = 'Hello'
title <> upper(title)
title = upper(title)
title in ('a', 'b', 'c')
title < email
greatest(title, email)
coalesce(title, email, 'none')
title is distinct from email
length(title) > 20
length(title) / nullif(strlen(title), 0)
regexp_matches(email, '^[^@]+@[^@]+\.[a-z]+$')
regexp_matches(title, '[0-9]')
regexp_matches(title, '^[A-Z]')
regexp_matches(title, 'free|win|cash', 'i')
title ~ '[0-9]{3}'
regexp_extract(title, '([0-9]+)', 1)
try_cast(regexp_extract(title, '([0-9]+)', 1) as int)
regexp_extract(email, '@(.+)$', 1)
regexp_replace(title, '[^A-Za-z0-9 ]', '', 'g')
regexp_replace(title, '\s+', ' ', 'g')
length(regexp_replace(title, '[^0-9]', '', 'g'))
regexp_full_match(title, '[a-z]+')
title similar to '[a-z]*'
len(string_split(title, ' '))
string_split(title, ' ')[1]
array_to_string(tags, ',')
len(tags)
list_contains(tags, 'new')
tags[1]
coalesce(len(tags), 0)
list_has_any(tags, ['new', 'hot'])
list_sum(points)
list_max(points)
list_avg(points)
points[-1]
list_contains(points, 3)
levenshtein(title, 'hello')
levenshtein(title, email) / nullif(greatest(length(title), length(email)), 0)
jaccard(title || 'x', 'hello')
translate(title, 'aeiou', '*****')
trim(title, ' .')
ltrim(title, '0')
chr(65 + quantity % 26)
title[1]
hex(clicks)
hash_bucket % 10 = 0
case when title ilike '%free%' then 1 when title ilike '%win%' then 2 else 0 end
case lower(title) when 'hello' then 1 when 'bye' then 2 end
cast(title as int)
try_cast(title as bigint)
try_cast(title as double)
try_cast(title as date)
try_cast(title as timestamp)
coalesce(try_cast(title as double), 0)
try_cast(title as boolean)
clicks::varchar || ':' || purchases::varchar
cast(is_active as int)
is_active and not is_banned
is_active or is_banned is null
is_active is true
not coalesce(is_banned, false)
is_active = true
is_active::varchar
-- structs and nested values
profile.country
profile.country = 'SE'
coalesce(profile.visits, 0)
profile.visits / nullif(clicks, 0)
(profile).visits + 1
