//! Translated strings of the tray menu and the notifications. The pages have their own.

use serde::{Deserialize, Serialize};

use crate::tray::EngineState;

/// A supported UI language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    /// Korean.
    Ko,
    /// English.
    En,
}

/// The strings of one language.
pub(crate) struct Strings {
    pub open: &'static str,
    pub quick: &'static str,
    pub pause: &'static str,
    pub resume: &'static str,
    pub quit: &'static str,
    /// Title and body of the notification when a closed window stays in the tray, shown once.
    pub stays: (&'static str, &'static str),
    /// Label of the engine's state.
    pub engine: fn(EngineState) -> &'static str,
}

impl Language {
    /// The system's language, used until the window has reported the user's.
    pub(crate) fn of_system() -> Self {
        let korean = sys_locale::get_locale().is_some_and(|locale| locale.to_lowercase().starts_with("ko"));
        if korean { Self::Ko } else { Self::En }
    }

    /// The strings of this language.
    pub(crate) fn strings(self) -> &'static Strings {
        match self {
            Self::Ko => &KO,
            Self::En => &EN,
        }
    }
}

const KO: Strings = Strings {
    open: "HAPA 열기",
    quick: "빠른 질문",
    pause: "엔진 일시정지",
    resume: "엔진 재개",
    quit: "HAPA 종료",
    stays: ("HAPA가 트레이에서 계속 실행됩니다", "트레이 아이콘에서 다시 열거나 종료할 수 있습니다."),
    engine: |engine| match engine {
        EngineState::Starting => "시작 중",
        EngineState::Loading => "모델 불러오는 중",
        EngineState::Ready => "준비됨",
        EngineState::Paused => "일시정지됨: 모델을 메모리에서 내렸습니다",
        EngineState::Absent => "모델 없음",
        EngineState::Failed => "엔진 오류",
    },
};

const EN: Strings = Strings {
    open: "Open HAPA",
    quick: "Quick question",
    pause: "Pause engine",
    resume: "Resume engine",
    quit: "Quit HAPA",
    stays: ("HAPA keeps running in the tray", "Open or quit it from the tray icon."),
    engine: |engine| match engine {
        EngineState::Starting => "Starting",
        EngineState::Loading => "Loading model",
        EngineState::Ready => "Ready",
        EngineState::Paused => "Paused: the model is unloaded",
        EngineState::Absent => "No model",
        EngineState::Failed => "Engine error",
    },
};
