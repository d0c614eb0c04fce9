-- Answers contain the labels. "Other" answers are not among the choices.

CREATE TABLE survey_choices (
    survey_id text NOT NULL REFERENCES surveys,
    question_key text NOT NULL,
    position int NOT NULL,
    code text NOT NULL,
    label text NOT NULL,
    PRIMARY KEY (survey_id, question_key, code),
    FOREIGN KEY (survey_id, question_key) REFERENCES survey_questions (survey_id, key)
);

INSERT INTO survey_choices (survey_id, question_key, position, code, label)
SELECT survey_id, question_key, choices.position, code, choices.label
FROM (VALUES
    ('channel', 1, 'poster', 'Poster in the street'),
    ('channel', 2, 'friend', 'A friend'),
    ('channel', 3, 'newspaper', 'Newspaper, "Local" section'),
    ('channel', 4, 'social', 'Social media'),
    ('channel', 5, 'radio', 'Radio; in the car'),
    ('topics', 1, 'music', 'Music'),
    ('topics', 2, 'science', 'Science'),
    ('topics', 3, 'robots', 'Robots'),
    ('topics', 4, 'food', 'Food & drink'),
    ('topics', 5, 'crafts', 'Crafts'),
    ('topics', 6, 'art', 'Art; old and new'),
    ('topics', 7, 'sports', 'Sports'),
    ('topics', 8, 'children', 'For children, 3 to 6')
) AS choices (question_key, position, code, label)
JOIN survey_questions ON survey_questions.key = choices.question_key;
