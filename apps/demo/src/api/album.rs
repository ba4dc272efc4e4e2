//! Which photos a user has: everybody has twelve, and nobody the same twelve.

use serde::Serialize;

use super::random::Random;

/// A photo's entry in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Photo {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) taken: String,
    #[serde(skip)]
    pub(super) scene: Scene,
}

/// What there is to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    Mountains,
    Lake,
    Sea,
    Dunes,
    Forest,
    Night,
}

const ALBUM: [(Scene, &[&str]); 12] = [
    (Scene::Mountains, &["First light on the ridge", "Above the tree line", "The long way up"]),
    (Scene::Lake, &["Still water", "Before anyone was up", "Mirror lake"]),
    (Scene::Sea, &["Last ferry home", "Low tide", "Salt on everything"]),
    (Scene::Dunes, &["Nobody for miles", "Wind all night", "Warm sand"]),
    (Scene::Forest, &["Fog in the firs", "Where the path ends", "Smell of rain"]),
    (Scene::Night, &["Count the stars", "Camp two", "Too cold to sleep"]),
    (Scene::Sea, &["The swim", "Harbour evening", "Sails, far out"]),
    (Scene::Mountains, &["Blue hour", "Snow in June", "Five valleys"]),
    (Scene::Forest, &["Autumn, all at once", "Behind the house", "Larches"]),
    (Scene::Lake, &["Cold feet", "The jetty", "After the storm"]),
    (Scene::Night, &["Moonrise", "Walking back", "The comet, nearly"]),
    (Scene::Dunes, &["Edge of the map", "Noon", "Footprints"]),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) fn photos_of(subject: &str) -> Vec<Photo> {
    let mut random = Random::seeded(&["album", subject]);
    (1..)
        .zip(&ALBUM)
        .map(|(number, (scene, titles))| Photo {
            id: format!("p{number:02}"),
            title: (*random.one_of(titles)).to_owned(),
            taken: format!("{} {}", random.one_of(&MONTHS), random.one_of(&[2023, 2024, 2025])),
            scene: *scene,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn albums_stay_the_same_and_differ_between_people() {
        assert_eq!(photos_of("alice"), photos_of("alice"));
        assert_ne!(photos_of("alice"), photos_of("bob"));
        assert_eq!(photos_of("").len(), 12);
    }
}
