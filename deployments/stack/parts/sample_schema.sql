CREATE TABLE surveys (
    id text PRIMARY KEY,
    title text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE survey_questions (
    survey_id text NOT NULL REFERENCES surveys,
    position int NOT NULL,
    key text NOT NULL,
    label text NOT NULL,
    kind text NOT NULL CHECK (
        kind IN ('text', 'single-choice', 'multiple-choice', 'number', 'rating', 'boolean', 'date')
    ),
    PRIMARY KEY (survey_id, key),
    UNIQUE (survey_id, position)
);

CREATE TABLE survey_responses (
    id bigint PRIMARY KEY,
    survey_id text NOT NULL REFERENCES surveys,
    submitted_at timestamptz NOT NULL,
    is_attended boolean NOT NULL,
    utm text,
    respondent_name text,
    respondent_email text,
    country text NOT NULL,
    score int,
    comment text,
    answers jsonb NOT NULL
);

CREATE TABLE customers (
    id int PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL,
    country text NOT NULL
);

CREATE TABLE orders (
    id uuid PRIMARY KEY,
    number text NOT NULL UNIQUE,
    customer_id int NOT NULL REFERENCES customers,
    placed_at timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'paid', 'shipped', 'refunded', 'cancelled')),
    currency text NOT NULL,
    total numeric(12, 2) NOT NULL,
    discount_rate double precision,
    items int NOT NULL,
    shipped_on date,
    gift boolean NOT NULL,
    note text
);
