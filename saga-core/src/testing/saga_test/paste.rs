//! A test that repeats one run, to paste into the user's own.

use super::SagaTest;
use super::schedule::Schedule;
use crate::typed::Saga;

impl<S: Saga> SagaTest<S> {
    /// A test that repeats one run, with all that this test has.
    pub(super) fn pasted(&self, schedule: &Schedule) -> String {
        let mut lines = vec![format!("SagaTest::<{}>::new(context, params())", S::NAME)];
        lines.extend(self.mocks.pasted(S::NAME).into_iter().map(|line| format!("    {line}")));
        #[cfg(feature = "sqlite")]
        lines.extend(self.database.as_ref().map(|_| "    .sqlite(tables)".to_string()));
        lines.extend(self.always.as_ref().map(|_| "    .always(always)".to_string()));
        // what goes wrong may have it roll back or complete
        let nothing = *schedule == Schedule::default();
        lines.extend((self.rolls_back && nothing).then(|| "    .rolls_back()".to_string()));
        lines.extend(schedule.to_string().lines().map(|line| format!("    {line}")));
        lines.push("    .check(invariant);".to_string());
        let body = lines.iter().map(|line| format!("        {line}\n")).collect::<String>();
        format!("    #[test]\n    fn it_survives_this() {{\n{body}    }}\n")
    }
}
