-- Each value is chosen by a hash of the row's id, so the same number of responses always gives the same rows.

SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO';
SET LOCAL maintenance_work_mem = '256MB';

CREATE FUNCTION pg_temp.pick(id bigint, salt int, choices int) RETURNS int LANGUAGE sql IMMUTABLE
    RETURN ((hashint8extended(id, salt) & 2147483647) % choices)::int;

CREATE FUNCTION pg_temp.one_of(texts text[], id bigint, salt int) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN texts[1 + ((hashint8extended(id, salt) & 2147483647) % cardinality(texts))];

-- Most timestamps are during the day. Some have milliseconds or microseconds, and some are at midnight.
CREATE FUNCTION pg_temp.moment(day date, id bigint) RETURNS timestamptz LANGUAGE sql STABLE
    RETURN CASE pg_temp.pick(id, 1, 400)
        WHEN 0 THEN day::timestamptz
        WHEN 1 THEN day::timestamptz + interval '23:59:59.999999'
        ELSE day::timestamptz + make_interval(
            hours => ('{0,2,5,6,7,8,8,9,9,9,10,10,10,11,11,12,13,13,14,15,16,17,18,19,20,21,22,23}'::int[])
                [1 + pg_temp.pick(id, 2, 28)],
            secs => pg_temp.pick(id, 3, 3600) + CASE pg_temp.pick(id, 4, 3)
                WHEN 0 THEN 0
                WHEN 1 THEN pg_temp.pick(id, 5, 1000) / 1e3
                ELSE pg_temp.pick(id, 5, 1000000) / 1e6
            END
        )
    END;

CREATE TEMPORARY TABLE phrases ON COMMIT DROP AS SELECT
    ARRAY['Anna', 'Ben', 'Chloé', 'Diego', 'Émile', 'Freja', 'Giulia', 'Hannah', 'İpek', 'José', 'Kofi', 'Łucja',
          'María', 'Noah', 'Oliver', 'Priya', 'Quentin', 'Rosa', 'Søren', 'Tomáš', 'Uma', 'Víctor', 'Wanda', 'Zoë']
        AS given_names,
    ARRAY['Almeida', 'Brontë', 'Castro', 'Dubois', 'Eriksson', 'Fernández', 'Görres', 'Haddad', 'Ivanova',
          'Jørgensen', 'Kowalski', 'Lindström', 'Müller', 'Nowak', 'O''Connor', 'Peña', 'Rossi', 'Schröder',
          'Šimek', 'Tanaka', 'van der Berg', 'Weiß', 'Yılmaz', 'Zhang']
        AS family_names,
    ARRAY['佐藤 美咲', '王 小明', '김민준', 'محمد العلي', 'ליאור כהן', 'Олена Шевченко', 'Иван Петров', 'Γιώργος Παππάς',
          'अनिका शर्मा', 'สมชาย ใจดี', 'Nguyễn Thị Hoa', 'Smith, John "Johnny"']
        AS full_names,
    ARRAY['DE', 'DE', 'DE', 'FR', 'GB', 'ES', 'IT', 'PL', 'SE', 'TR', 'JP', 'IN', 'BR', 'US', 'IL', 'AE']
        AS countries,
    ARRAY['wa', 'wa', 'wa', 'wa', 'fb', 'fb', 'ig', 'ig', 'email', 'email', NULL, NULL] AS sources,
    ARRAY['A friendly team, and patient with the children.',
          'The queue at the entrance was long, but the staff was "super nice".',
          'Sehr schön, gerne wieder!',
          'Très bien, à l''année prochaine.',
          'Todo perfecto; solo faltaba sombra.',
          E'Good: the guided tour.\nNot so good: the signs.\n\nI would come again.',
          E'Written on Windows:\r\n- parking\r\n- lunch',
          '素晴らしい一日でした。ありがとうございました！',
          'كانت تجربة رائعة، شكرًا جزيلاً',
          'היה נהדר, תודה רבה',
          'Дуже сподобалось, дякую!',
          'Ο χώρος ήταν υπέροχος.',
          'We loved it ❤️ 👨‍👩‍👧‍👦 🎉',
          '=SUM(1+1)',
          '+49 30 901820',
          '-5',
          '@name said it all',
          'semicolons; too, and "quotes ""inside"" quotes"',
          '  with spaces around it  ',
          E'two\tcolumns',
          '\N',
          '\.',
          'NULL',
          '100 % recommended, 5/5',
          rpad('A long one. ', 600, 'We stayed until the evening, and nobody wanted to go home. '),
          '', NULL, NULL, NULL, NULL, NULL, NULL]
        AS comments,
    ARRAY['Poster in the street', 'A friend', 'Newspaper, "Local" section', 'Social media', 'Radio; in the car',
          'Other, namely: my neighbour']
        AS channels,
    ARRAY['["Music"]', '["Science","Robots"]', '["Food & drink","Music","Crafts"]', '["Art; old and new"]', '[]',
          '["Sports","Science"]', '["For children, 3 to 6","Crafts"]', '["Other: \"surprise me\""]']::jsonb[]
        AS topics,
    ARRAY['More benches in the shade.', 'Plus de bancs, moins de bruit', 'Mehr Fahrradständer, bitte', '', 'Nichts!',
          E'1. signs\n2. toilets', 'もっと時間がほしい', 'مواقف أكثر للسيارات', '-', 'Lower prices, e.g. "family tickets"', '🌳']
        AS wishes,
    ARRAY['=1+2', '+10OFF', '-5', '@friends', '0042', 'SUMMER24', 'WELCOME,10', '1e5', 'true'] AS codes;

INSERT INTO surveys (id, title, created_at) VALUES
    ('668b6fa3b8d693cd865b44bb', 'Open day: how was your visit?', '2024-07-08 04:48:35+00'),
    ('64a8b3f09c1e7d0042a5e8c1', 'Newsletter, "what should we write about?"', '2023-07-08 00:54:40+00'),
    ('66f0b9e27a5d3c0019f4b6d8', 'Pilot: the booking form', '2024-09-23 00:44:18+00'),
    ('678460aa4e2f1b00c7d3095e', 'Winter programme (not sent yet)', '2025-01-13 00:39:06+00');

INSERT INTO survey_questions (survey_id, position, key, label, kind) VALUES
    ('668b6fa3b8d693cd865b44bb', 1, 'overall', 'How was your visit overall?', 'rating'),
    ('668b6fa3b8d693cd865b44bb', 2, 'recommend',
     'How likely is it that you would recommend us to a friend or colleague, from 0 (not at all) to 10 (certainly)?',
     'number'),
    ('668b6fa3b8d693cd865b44bb', 3, 'channel', 'How did you hear of us (poster, friend, "somewhere")?', 'single-choice'),
    ('668b6fa3b8d693cd865b44bb', 4, 'topics',
     'Which of these topics, if any, would you like to see more of next year? Choose as many as you like; the order'
     ' in which you choose them does not matter.', 'multiple-choice'),
    ('668b6fa3b8d693cd865b44bb', 5, 'spent', 'How much did you spend on site, in euros?', 'number'),
    ('668b6fa3b8d693cd865b44bb', 6, 'again', 'Would you come again?', 'boolean'),
    ('668b6fa3b8d693cd865b44bb', 7, 'visit_date', 'On which day were you with us?', 'date'),
    ('668b6fa3b8d693cd865b44bb', 8, 'wish', 'Si vous pouviez changer une seule chose, laquelle serait-ce ?', 'text'),
    ('668b6fa3b8d693cd865b44bb', 9, 'code', 'Promotion code, if you had one', 'text'),
    ('668b6fa3b8d693cd865b44bb', 10, 'remarks', 'Anything else?', 'text'),
    ('64a8b3f09c1e7d0042a5e8c1', 1, 'topics', 'Worüber sollen wir öfter schreiben?', 'multiple-choice'),
    ('64a8b3f09c1e7d0042a5e8c1', 2, 'per_month', 'How many issues a month would you read?', 'number'),
    ('64a8b3f09c1e7d0042a5e8c1', 3, 'keep', 'Shall we keep sending it?', 'boolean'),
    ('64a8b3f09c1e7d0042a5e8c1', 4, 'remarks', 'Remarks, ideas, complaints', 'text'),
    ('66f0b9e27a5d3c0019f4b6d8', 1, 'easy', 'How easy was it to book?', 'rating'),
    ('66f0b9e27a5d3c0019f4b6d8', 2, 'stuck', 'Where did you get stuck?', 'text'),
    ('678460aa4e2f1b00c7d3095e', 1, 'interest', 'Would you come in winter, too?', 'boolean'),
    ('678460aa4e2f1b00c7d3095e', 2, 'when', 'Which day would suit you?', 'date');

WITH sizes AS (
    SELECT total - least(total / 10, 5000) - 1 AS visitors, least(total / 10, 5000) AS readers
    FROM (SELECT current_setting('demo.responses')::bigint AS total) AS wanted
), numbered AS (
    SELECT n AS id, '64a8b3f09c1e7d0042a5e8c1' AS survey_id, date '2023-07-08' + ((n - 1) * 366 / readers)::int AS day
    FROM sizes, generate_series(1, readers) AS n
    UNION ALL
    SELECT readers + n, '668b6fa3b8d693cd865b44bb', date '2024-07-08' + ((n - 1) * 365 / visitors)::int
    FROM sizes, generate_series(1, visitors) AS n
    UNION ALL
    SELECT readers + visitors + 1, '66f0b9e27a5d3c0019f4b6d8', date '2024-09-24' FROM sizes
), respondents AS (
    SELECT numbered.*, phrases.*,
        pg_temp.moment(day, id) AS submitted_at,
        CASE
            WHEN pg_temp.pick(id, 10, 12) = 0 THEN NULL
            WHEN pg_temp.pick(id, 10, 12) = 1 THEN pg_temp.one_of(full_names, id, 11)
            ELSE pg_temp.one_of(given_names, id, 12) || ' ' || pg_temp.one_of(family_names, id, 13)
        END AS name
    FROM numbered, phrases
)
INSERT INTO survey_responses
SELECT id, survey_id, submitted_at,
    pg_temp.pick(id, 20, 100) < 64,
    pg_temp.one_of(sources, id, 21),
    name,
    CASE WHEN name IS NOT NULL AND pg_temp.pick(id, 22, 9) > 0 THEN 'respondent' || id || '@example.org' END,
    pg_temp.one_of(countries, id, 23),
    nullif(pg_temp.pick(id, 24, 12), 11),
    pg_temp.one_of(comments, id, 25),
    CASE survey_id
        WHEN '668b6fa3b8d693cd865b44bb' THEN
            jsonb_build_object(
                'overall', 1 + pg_temp.pick(id, 30, 5),
                'recommend', nullif(pg_temp.pick(id, 31, 12), 11),
                'channel', pg_temp.one_of(channels, id, 32),
                'again', pg_temp.pick(id, 33, 4) > 0)
            || CASE WHEN pg_temp.pick(id, 34, 5) > 0
                THEN jsonb_build_object('topics', topics[1 + pg_temp.pick(id, 35, cardinality(topics))])
                ELSE '{}' END
            || CASE pg_temp.pick(id, 36, 6)
                WHEN 0 THEN '{}'
                WHEN 1 THEN jsonb_build_object('spent', NULL)
                WHEN 2 THEN jsonb_build_object('spent', pg_temp.pick(id, 37, 80))
                ELSE jsonb_build_object('spent', (pg_temp.pick(id, 37, 12000) / 100.0)::numeric(8, 2)) END
            || CASE WHEN pg_temp.pick(id, 38, 3) > 0
                THEN jsonb_build_object('visit_date', (day - pg_temp.pick(id, 39, 4))::text,
                    'wish', pg_temp.one_of(wishes, id, 40))
                ELSE '{}' END
            || CASE WHEN pg_temp.pick(id, 41, 8) = 0
                THEN jsonb_build_object('code', pg_temp.one_of(codes, id, 42)) ELSE '{}' END
            || CASE WHEN pg_temp.pick(id, 43, 6) = 0
                THEN jsonb_build_object('remarks', pg_temp.one_of(comments, id, 44)) ELSE '{}' END
        WHEN '64a8b3f09c1e7d0042a5e8c1' THEN
            jsonb_build_object(
                'topics', topics[1 + pg_temp.pick(id, 35, cardinality(topics))],
                'per_month', pg_temp.pick(id, 50, 9) / 2.0,
                'keep', pg_temp.pick(id, 51, 8) > 0)
            || CASE WHEN pg_temp.pick(id, 52, 3) = 0
                THEN jsonb_build_object('remarks', pg_temp.one_of(comments, id, 53)) ELSE '{}' END
        ELSE jsonb_build_object('easy', 4, 'stuck', E'On the last page, "payment",\nfor a minute.')
    END
FROM respondents;

CREATE INDEX survey_responses_by_time ON survey_responses (survey_id, submitted_at, id);

INSERT INTO customers
SELECT id,
    CASE WHEN pg_temp.pick(id, 60, 8) = 0 THEN pg_temp.one_of(full_names, id, 61)
        ELSE pg_temp.one_of(given_names, id, 62) || ' ' || pg_temp.one_of(family_names, id, 63) END,
    'customer' || id || '@example.com',
    pg_temp.one_of(countries, id, 64)
FROM generate_series(1, 600) AS id, phrases;

WITH placed AS (
    SELECT n, date '2023-07-08' + (n - 1) * 731 / 12000 AS day, phrases.*,
        pg_temp.one_of(ARRAY['pending', 'paid', 'paid', 'shipped', 'shipped', 'shipped', 'shipped', 'refunded',
            'cancelled'], n, 70) AS status,
        pg_temp.one_of(ARRAY['EUR', 'EUR', 'EUR', 'USD', 'GBP', 'CHF', 'JPY'], n, 71) AS currency
    FROM generate_series(1, 12000) AS n, phrases
)
INSERT INTO orders
SELECT md5('order ' || n)::uuid,
    'SO-' || to_char(day, 'YYYY') || '-' || lpad(n::text, 6, '0'),
    1 + pg_temp.pick(n, 72, 600),
    pg_temp.moment(day, n),
    status,
    currency,
    CASE currency WHEN 'JPY' THEN 100 * pg_temp.pick(n, 73, 900) ELSE pg_temp.pick(n, 73, 90000) / 100.0 END,
    (ARRAY[NULL, NULL, NULL, 0, 0.05, 0.1, 0.15, 0.2, 1.0 / 3, 1e-7])[1 + pg_temp.pick(n, 74, 10)],
    1 + pg_temp.pick(n, 75, 9),
    CASE WHEN status IN ('shipped', 'refunded') THEN day + 1 + pg_temp.pick(n, 76, 6) END,
    pg_temp.pick(n, 77, 12) = 0,
    CASE WHEN pg_temp.pick(n, 78, 3) = 0 THEN pg_temp.one_of(comments, n, 79) END
FROM placed;

CREATE INDEX orders_by_time ON orders (placed_at, id);
