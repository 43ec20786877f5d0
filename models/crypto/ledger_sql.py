"""What the record of forecasts asks of SQLite."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS forecast (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, market TEXT NOT NULL,
    symbol TEXT NOT NULL, interval TEXT NOT NULL, venue TEXT NOT NULL, model TEXT NOT NULL,
    weights TEXT NOT NULL, served_at_s REAL NOT NULL, made_at_ms INTEGER NOT NULL,
    last_close_usd REAL NOT NULL, steps INTEGER NOT NULL, adapts INTEGER NOT NULL,
    quantiles BLOB NOT NULL, bounds BLOB NOT NULL, baseline BLOB NOT NULL, p_up BLOB NOT NULL,
    done INTEGER NOT NULL DEFAULT 0, due_ms INTEGER, has_garch INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS forecast_of
    ON forecast (symbol, interval, market, owner, model, seq);
CREATE INDEX IF NOT EXISTS forecast_due ON forecast (due_ms) WHERE due_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS score (
    seq INTEGER NOT NULL, step INTEGER NOT NULL, truth REAL, crps REAL, crps_walk REAL,
    crps_garch REAL, inside_80 INTEGER, inside_95 INTEGER, raw_inside_80 INTEGER,
    raw_inside_95 INTEGER, brier REAL, PRIMARY KEY (seq, step)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calibration (
    symbol TEXT NOT NULL, interval TEXT NOT NULL, market TEXT NOT NULL, owner TEXT NOT NULL,
    step INTEGER NOT NULL, level REAL NOT NULL, alpha REAL NOT NULL, n INTEGER NOT NULL,
    hits INTEGER NOT NULL, PRIMARY KEY (symbol, interval, market, owner, step, level)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS removed (
    market TEXT NOT NULL, owner TEXT NOT NULL, forecasts INTEGER NOT NULL, scored INTEGER NOT NULL,
    missing INTEGER NOT NULL, since_s REAL NOT NULL, PRIMARY KEY (market, owner)
) STRICT, WITHOUT ROWID;
"""
INSERT = f"""
INSERT OR IGNORE INTO forecast (id, owner, market, symbol, interval, venue, model, weights,
    served_at_s, made_at_ms, last_close_usd, steps, adapts, quantiles, bounds, baseline, p_up,
    due_ms) VALUES ({", ".join("?" * 18)})
"""  # noqa: S608  # constants
DUE = """
SELECT seq, symbol, interval, venue, made_at_ms, last_close_usd, done, quantiles, bounds, baseline,
    p_up, adapts, model, market, owner FROM forecast
WHERE symbol = ? AND interval = ? AND market = ? AND owner = ? AND venue = ? AND due_ms <= ?
ORDER BY seq LIMIT 5000
"""
FORGOTTEN = """
SELECT seq, symbol, interval, venue, made_at_ms, last_close_usd, 0, quantiles, bounds, baseline,
    p_up, adapts, model, market, owner FROM forecast
WHERE due_ms IS NULL AND has_garch = 0 AND market = 'real' ORDER BY seq DESC LIMIT ?
"""
RECORD = """
SELECT count(s.crps), count(DISTINCT f.seq), count(s.seq) - count(s.crps), sum(s.crps),
    sum(s.crps_walk), sum(CASE WHEN s.crps_garch IS NOT NULL THEN s.crps END), sum(s.crps_garch),
    count(s.crps_garch), avg(s.inside_80), avg(s.inside_95), avg(s.brier)
FROM (SELECT seq FROM forecast WHERE symbol = ? AND interval = ? AND market = ? AND owner = ?
      AND model = ? ORDER BY seq DESC LIMIT ?) f LEFT JOIN score s ON s.seq = f.seq
"""
LOSSES = """
SELECT avg(s.crps), avg(s.crps_walk) FROM score s JOIN (
    SELECT seq FROM forecast WHERE symbol = ? AND interval = ? AND market = ? AND owner = ?
        AND model = ? AND weights = ? AND done > 0 ORDER BY seq DESC LIMIT ?) f ON s.seq = f.seq
WHERE s.crps IS NOT NULL GROUP BY s.seq ORDER BY s.seq
"""
GROUPS = """
SELECT DISTINCT symbol, interval, model FROM forecast WHERE market = ? AND owner = ?{}
ORDER BY symbol, interval, model LIMIT 2000
"""

OLDEST = """
SELECT max(seq) FROM (SELECT seq, served_at_s FROM forecast ORDER BY seq LIMIT ?)
WHERE ? OR served_at_s < ?
"""
NOTE_REMOVED = """
INSERT INTO removed
SELECT f.market, f.owner, count(*), coalesce(sum(s.scored), 0),
    sum(f.steps) - coalesce(sum(s.scored), 0), min(f.served_at_s)
FROM forecast f LEFT JOIN (
    SELECT seq, count(crps) AS scored FROM score WHERE seq <= ? GROUP BY seq) s ON s.seq = f.seq
WHERE f.seq <= ? GROUP BY f.market, f.owner
ON CONFLICT DO UPDATE SET forecasts = forecasts + excluded.forecasts,
    scored = scored + excluded.scored, missing = missing + excluded.missing,
    since_s = min(since_s, excluded.since_s)
"""
REMOVE = (
    "DELETE FROM score WHERE seq <= ?",
    "DELETE FROM forecast WHERE seq <= ?",
)
FORGET_CALIBRATION = """
DELETE FROM calibration WHERE market = 'request' AND NOT EXISTS (
    SELECT 1 FROM forecast f WHERE f.symbol = calibration.symbol
        AND f.interval = calibration.interval AND f.market = 'request'
        AND f.owner = calibration.owner)
"""
